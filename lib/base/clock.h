/* SPDX-License-Identifier: ISC */
#ifndef TSLINK_BASE_CLOCK_H
#define TSLINK_BASE_CLOCK_H

/* Deadlines are milliseconds of the monotonic clock; NEVER is no deadline at all. */

#include <stdint.h>
#include <time.h>

#define NEVER INT64_MAX

static inline int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline int64_t deadline_in(int64_t ms)
{
	return now_ms() + ms;
}

/* Milliseconds left until the deadline, for poll(2): 0 when it has passed, -1 for NEVER. */
static inline int deadline_left(int64_t deadline)
{
	if (deadline == NEVER)
		return -1;
	int64_t left = deadline - now_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

#endif
