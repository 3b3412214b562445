/* SPDX-License-Identifier: ISC */
#include "lib/base/text.h"
#include "tap.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static void hex(void)
{
	ok(text_is_hex("0123456789ab", 12), "twelve digits");
	ok(!text_is_hex("0123456789a", 12) && !text_is_hex("0123456789abc", 12), "one too few, one too many");
	ok(!text_is_hex("0123456789aB", 12) && !text_is_hex("0123456789ag", 12) && !text_is_hex("0123 56789ab", 12),
	   "upper case, other letters and blanks are no digits");
	ok(text_is_hex("", 0) && !text_is_hex("", 1) && !text_is_hex("a", 0), "the empty text");
}

static void labels(void)
{
#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	static const struct {
		const char *name, *label;
	} cases[] = {
		{"web", "web"},
		{"Web.Example_COM", "web-example-com"},
		{"a", "a"},
		{"7", "7"},
		{"../../x", "x"},
		{"/etc/passwd", "etc-passwd"},
		{"..", NULL},
		{".", NULL},
		{"", NULL},
		{"_", NULL},
		{"-", NULL},
		{"-_.-", NULL},
		{"\xc3\xa9\xe2\x82\xac", NULL},
		{"caf\xc3\xa9", "caf"},
		{"\xc3\xa9tude", "tude"},
		{"a\xc3\xa9z", "a-z"},
		{"\xff\xfe", NULL},
		{"a\nb\tc", "a-b-c"},
		{"--a--b--", "a-b"},
		{"a b", "a-b"},
		{"x-", "x"},
		{A60 "123", A60 "123"},
		{A60 "1234", A60 "123"},
		{A60 A60 A60 A60 A60, A60 "aaa"},
		{A60 "12-4", A60 "12"},
		{A60 "12..4", A60 "12"},
		{"----" A60 "1234", A60 "123"},
	};
	char label[DNS_LABEL_MAX + 1];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		errno = 0;
		int r = text_dns_label(cases[i].name, label);
		if (cases[i].label)
			ok(r == 0 && !strcmp(label, cases[i].label), "case %zu is %.63s", i, label);
		else
			ok(r < 0 && errno == EINVAL && !*label, "case %zu leaves nothing", i);
	}
	/* whatever is in it, what comes out is a label, and is its own label */
	int wrong = 0;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		char name[301], again[DNS_LABEL_MAX + 1];
		size_t len = (size_t)(rand() % 300);
		for (size_t k = 0; k < len; k++)
			name[k] = (char)(rand() % 4 ? "aZ0-._/"[rand() % 7] : 1 + rand() % 255);
		name[len] = '\0';
		if (text_dns_label(name, label) < 0)
			continue;
		size_t n = strlen(label);
		wrong += !n || n > DNS_LABEL_MAX || label[0] == '-' || label[n - 1] == '-' ||
		         strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != n ||
		         text_dns_label(label, again) < 0 || strcmp(label, again) != 0;
	}
	is_number(wrong, 0, "20,000 random names: each label is one");
}

static void nearest(void)
{
	static const char *const list[] = {"tslink.authkey", "tslink.authkey-file", "tslink.login-server",
	                                   "tslink.wait", NULL};
	static const char *const none[] = {NULL};
	char longer[300];
	is(text_nearest("tslink.authky", list), "tslink.authkey", "a letter is missing");
	is(text_nearest("tslink.wiat", list), "tslink.wait", "two are swapped");
	is(text_nearest("tslink.authkeyfile", list), "tslink.authkey-file", "the nearest of two");
	is(text_nearest("tslink.wait", list), "tslink.wait", "the word itself");
	is(text_nearest("com.example.other", list), NULL, "another word is near to none");
	is(text_nearest("", list), NULL, "nor is the empty one");
	is(text_nearest("tslink.wait", none), NULL, "nor any to an empty list");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	is(text_nearest(longer, list), NULL, "nor one of 299 letters");
}

static int number(const char *s, long min, long max, long want)
{
	long n = -77;
	errno = 0;
	int r = text_number(s, min, max, &n);
	return want >= 0 ? r == 0 && n == want : r < 0 && n == -77 && errno == -want;
}

static void numbers(void)
{
	ok(number("0", 0, 10, 0) && number("10", 0, 10, 10) && number("0010", 0, 10, 10), "numbers from 0 to 10");
	ok(number("11", 0, 10, -ERANGE) && number("4", 5, 10, -ERANGE), "beyond either end");
	ok(number("99999999999999999999999999", 0, LONG_MAX, -ERANGE), "more than a long holds");
	ok(number("9223372036854775807", 0, LONG_MAX, LONG_MAX), "the largest");
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1e1", "1.0", "one", "1\n", "\xd9\xa1"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(number(bad[i], -10, 10, -EINVAL), "no number: case %zu", i);
}

static void booleans(void)
{
	static const char *const yes[] = {"true", "yes", "on", "1", "TRUE", "Yes"};
	static const char *const no[] = {"false", "no", "off", "0", "False", "OFF"};
	static const char *const bad[] = {"", "2", "t", "truee", " true", "nope", "01"};
	bool b;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		b = false;
		ok(text_bool(yes[i], &b) == 0 && b, "%s", yes[i]);
	}
	for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
		b = true;
		ok(text_bool(no[i], &b) == 0 && !b, "%s", no[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		ok(text_bool(bad[i], &b) < 0 && errno == EINVAL, "\"%s\" is neither", bad[i]);
	}
}

static void hashing_and_formatting(void)
{
	char buf[8];
	/* the test vectors of FNV's authors */
	ok(text_hash("") == 0x811c9dc5 && text_hash("a") == 0xe40c292c && text_hash("foobar") == 0xbf9cf968, "FNV-1a");
	ok(text_hash("\xff") == ((2166136261U ^ 0xff) * 16777619U), "of bytes, not of signed characters");
	ok(text_format(buf, sizeof buf, "%s-%d", "abc", 123) == 0 && !strcmp(buf, "abc-123"), "a text that just fits");
	errno = 0;
	ok(text_format(buf, sizeof buf, "%s-%d", "abcd", 123) < 0 && errno == ENAMETOOLONG,
	   "one that is cut is an error");
	is_number((long long)strlen(buf), 7, "and is terminated nevertheless");
}

int main(void)
{
	hex();
	labels();
	nearest();
	numbers();
	booleans();
	hashing_and_formatting();
	return tap_done();
}
