/* SPDX-License-Identifier: ISC */
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/net/subnet.h"
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct subnet range = {.base = 0x0ac80000, .bits = 16};

static void parsing(void)
{
	static const char *const bad[] = {"",
	                                  "10.200.0.0",
	                                  "10.200.0.0/",
	                                  "10.200.0.0/x",
	                                  "10.200.0.0/7",
	                                  "10.200.0.0/29",
	                                  "10.200.0.1/16",
	                                  "10.200.0.0/16/16",
	                                  "10.200.0/16",
	                                  "fd00::/16",
	                                  "100.64.0.0/10",
	                                  "100.100.0.0/16",
	                                  "100.0.0.0/8",
	                                  "127.0.0.0/8",
	                                  "224.0.0.0/8",
	                                  "0.0.0.0/8",
	                                  "10.200.0.0/ 16",
	                                  "999.0.0.0/16",
	                                  "10.200.0.0/16 and a very long tail of text that goes on and on"};
	struct subnet s = {0};
	struct why why;
	char text[SUBNET_TEXT];
	ok(subnet_parse("10.200.0.0/16", &s, NULL) == 0 && s.base == range.base && s.bits == 16, "the default range");
	is_number(subnet_count(&s), 16380, "a /16 has 16,380 slots");
	ok(subnet_parse("10.0.0.0/8", &s, NULL) == 0 && subnet_count(&s) == (1 << 22) - 4, "a /8");
	ok(subnet_parse("192.168.7.16/28", &s, NULL) == 0 && subnet_count(&s) == 4, "a /28 has four slots");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		why.text[0] = '\0';
		ok(subnet_parse(bad[i], &s, &why) < 0 && errno == EINVAL && why.text[0], "refused: \"%s\"", bad[i]);
	}
	subnet_parse("10.200.1.0/16", &s, &why);
	is(why.text, "10.200.1.0/16 is no network address; do you mean 10.200.0.0/16?", "the way out is named");
	is(subnet_text(subnet_host(&range, 64), text), "10.200.1.1", "the host's address of slot 64");
	is(subnet_text(subnet_container(&range, 64), text), "10.200.1.2", "the container's address of slot 64");
	is_number(subnet_slot(&range, "10.200.1.0"), 64, "a claim's name leads back to its slot");
	is_number(subnet_slot(&range, "10.200.255.236"), 16379, "the last slot");
	ok(subnet_slot(&range, "10.200.255.240") < 0, "beyond the last slot");
	ok(subnet_slot(&range, "10.200.1.1") < 0 && subnet_slot(&range, "10.201.0.0") < 0 &&
	           subnet_slot(&range, "x") < 0 && subnet_slot(&range, "10.200.1.0/30") < 0,
	   "what names no slot");
	ok(subnet_overlaps(&range, "10.0.0.0/8") && subnet_overlaps(&range, "10.200.3.1/24") &&
	           subnet_overlaps(&range, "10.200.9.9") && subnet_overlaps(&range, "0.0.0.0/0"),
	   "what overlaps");
	ok(!subnet_overlaps(&range, "10.201.0.1/16") && !subnet_overlaps(&range, "fd00::1/64") &&
	           !subnet_overlaps(&range, "nonsense"),
	   "what does not overlap");
}

/* An endpoint ID as Docker makes them, of 64 hex digits. */
static void endpoint(unsigned n, char id[65])
{
	unsigned long long x = n * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 4; i++) {
		x ^= x >> 30;
		x *= 0xbf58476d1ce4e5b9ull;
		x ^= x >> 27;
		snprintf(id + 16 * i, 17, "%016llx", x);
	}
}

static int claim(int dir, const struct subnet *r, unsigned n, struct why *why)
{
	char id[65], target[80];
	endpoint(n, id);
	snprintf(target, sizeof target, "../endpoint/%.12s", id);
	return (int)subnet_claim(dir, r, id, target, NULL, NULL, why);
}

static int new_dir(char *path)
{
	strcpy(path, "/tmp/t_subnet.XXXXXX");
	return mkdtemp(path) ? open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC) : -1;
}

static void ten_thousand(void)
{
	static bool used[16380];
	char path[32];
	autofd int dir = new_dir(path);
	int clashes = 0, failures = 0;
	for (unsigned i = 0; i < 10000; i++) {
		int slot = claim(dir, &range, i, NULL);
		if (slot < 0)
			failures++;
		else if (used[slot])
			clashes++;
		else
			used[slot] = true;
	}
	is_number(failures, 0, "10,000 endpoints have claims");
	is_number(clashes, 0, "and no two have the same");
	int again = 0;
	for (unsigned i = 0; i < 10000; i += 7)
		again += claim(dir, &range, i, NULL) >= 0;
	autofree char **names = dir_list(dir, ".");
	int count = 0;
	while (names && names[count])
		count++;
	ok(again == 1429 && count == 10000, "claims repeated are the same claims");
	struct why why = {0};
	int more = 0;
	for (unsigned i = 10000; i < 16380; i++)
		more += claim(dir, &range, i, NULL) >= 0;
	is_number(more, 6380, "16,380 fit");
	ok(claim(dir, &range, 16380, &why) < 0 && errno == ENOSPC, "the next is refused");
	is(why.text,
	   "no free /30 in 10.200.0.0/16: nodes hold 16380 of its 16380; set TSLINK_SUBNET to a larger or another range",
	   "with the range, its size and the way out");
	tree_remove(AT_FDCWD, path);
}

static void release(void)
{
	char path[32];
	autofd int dir = new_dir(path);
	struct subnet small = {.base = 0x0a000010, .bits = 28};
	ok(claim(dir, &small, 1, NULL) >= 0 && claim(dir, &small, 2, NULL) >= 0 && claim(dir, &small, 3, NULL) >= 0,
	   "three of four");
	int64_t slot = subnet_claim(dir, &small, "a", "../endpoint/a", NULL, NULL, NULL);
	ok(slot >= 0 && subnet_claimed(dir, &small, (uint32_t)slot, "../endpoint/a"), "and the fourth");
	ok(subnet_release(dir, &small, (uint32_t)slot, "../endpoint/other") == 0 &&
	           subnet_claimed(dir, &small, (uint32_t)slot, "../endpoint/a"),
	   "another's claim is not released");
	ok(!subnet_claimed(dir, &small, (uint32_t)slot, "../endpoint/") &&
	           !subnet_claimed(dir, &small, (uint32_t)slot, "../endpoint/ab"),
	   "a claim is its whole target");
	ok(subnet_release(dir, &small, (uint32_t)slot, "../endpoint/a") == 0 &&
	           !subnet_claimed(dir, &small, (uint32_t)slot, "../endpoint/a"),
	   "one's own is");
	ok(subnet_release(dir, &small, (uint32_t)slot, "../endpoint/a") == 0, "twice, too");
	ok(subnet_claim(dir, &small, "b", "../endpoint/b", NULL, NULL, NULL) == slot, "and is free for the next");
	for (uint32_t i = 0; i < 4; i++) {
		char name[SUBNET_TEXT];
		unlinkat(dir, subnet_text(subnet_network(&small, i), name), 0);
		if (symlinkat(i == 2 ? "../endpoint/other" : "../endpoint/many", dir, name) < 0)
			ok(0, "a claim made by hand");
	}
	is_number(subnet_release_all(dir, &small, "../endpoint/many"), 0, "all of one target's claims are released");
	autofree char **left = dir_list(dir, ".");
	ok(left && left[0] && !strcmp(left[0], "10.0.0.24") && !left[1], "and no other's");
	ok(subnet_claim(-1, &small, "b", "../endpoint/b", NULL, NULL, NULL) < 0, "no directory, no claim");
	tree_remove(AT_FDCWD, path);
}

enum { PROCESSES = 50, EACH = 200 };

/* Each process writes the slots it got into a pipe. All start at once, when the gate's writing end is closed. */
static void at_once(void)
{
	static bool used[16380];
	char path[32];
	int gate[2], result[2], clashes = 0, count = 0;
	autofd int dir = new_dir(path);
	if (pipe(gate) < 0 || pipe(result) < 0)
		return;
	fflush(stdout);
	for (unsigned p = 0; p < PROCESSES; p++)
		if (fork() == 0) {
			char c;
			close(gate[1]);
			if (read(gate[0], &c, 1) != 0)
				_exit(1);
			for (unsigned i = 0; i < EACH; i++) {
				int slot = claim(dir, &range, p * EACH + i, NULL);
				if (write(result[1], &slot, sizeof slot) != sizeof slot)
					_exit(1);
			}
			_exit(0);
		}
	close(gate[0]);
	close(gate[1]);
	close(result[1]);
	for (int slot; read(result[0], &slot, sizeof slot) == sizeof slot; count++) {
		if (slot < 0 || slot >= 16380 || used[slot])
			clashes++;
		else
			used[slot] = true;
	}
	close(result[0]);
	while (wait(NULL) > 0)
		;
	is_number(count, PROCESSES * EACH, "50 processes at once claim 200 each");
	is_number(clashes, 0, "and no two got the same");
	tree_remove(AT_FDCWD, path);
}

int main(void)
{
	parsing();
	ten_thousand();
	release();
	at_once();
	return tap_done();
}
