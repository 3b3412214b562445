/* SPDX-License-Identifier: ISC */
/* The name of a network in libnetwork's store, as 20.10, 26.1 and 28 write it. */
#include "lib/base/cleanup.h"
#include "lib/docker/network_name.h"
#include "tap.h"
#include "treelab.h"

#define ID "13cddfa7aef848f1d333d88e596ef5a77704e924ebf679addb70cedbe7473574"
#define OTHER "72a34e9b4f54a4ab366dbaae43ea2d146297f074d5e8d1f5a1b5f3f0c0c0c0c0"
#define RECORD(id, generic, labels, name)                                                                            \
	"{\"addrSpace\":\"LocalDefault\",\"attachable\":false,\"configFrom\":\"\",\"configOnly\":false,"             \
	"\"created\":\"2026-11-24T23:13:15.15783467Z\",\"enableIPv6\":false,"                                        \
	"\"generic\":{\"com.docker.network.generic\":{" generic "}},\"id\":\"" id                                    \
	"\",\"inDelete\":false,\"ingress\":false,"                                                                   \
	"\"internal\":false,\"ipamOptions\":{},\"ipamType\":\"default\","                                            \
	"\"ipamV4Config\":\"[{\\\"PreferredPool\\\":\\\"\\\",\\\"SubPool\\\":\\\"\\\",\\\"Gateway\\\":\\\"\\\"}]\"," \
	"\"labels\":{" labels "},\"loadBalancerIP\":\"\",\"loadBalancerMode\":\"NAT\",\"name\":\"" name "\","        \
	"\"networkType\":\"tslink\",\"persist\":true,\"postIPv6\":false,\"scope\":\"local\"}"
#define PAGE "\x00\x01\x02\xff\xfe{}{{\"\"docker/network/v1.0/network/" ID "/"

static char name[NETWORK_NAME_MAX + 1];

/* In memory of exactly that size: a read behind it is seen by the sanitizer. */
static int find(const char *store, size_t len, const char *network)
{
	char *exact = malloc(len ? len : 1);
	memcpy(exact, store, len);
	errno = 0;
	strcpy(name, "?");
	int r = docker_network_name_in(exact, len, network, name);
	int saved = errno;
	free(exact);
	errno = saved;
	return r;
}

#define FIND(store) find(store, sizeof(store) - 1, ID)

static void found(void)
{
	ok(FIND(RECORD(ID, "", "", "tailnet")) == 0 && !strcmp(name, "tailnet"), "a record");
	ok(FIND(PAGE RECORD(ID, "", "", "tailnet") PAGE RECORD(OTHER, "", "", "other")) == 0 &&
	           !strcmp(name, "tailnet"),
	   "among what else is in a page");
	ok(FIND(RECORD(OTHER, "", "", "other") RECORD(ID, "", "", "tailnet")) == 0 && !strcmp(name, "tailnet"),
	   "behind another's");
	ok(FIND("\"id\":\"" ID "\"" PAGE RECORD(ID, "", "", "tailnet")) == 0 && !strcmp(name, "tailnet"),
	   "behind a piece of one");
	ok(FIND(RECORD(ID, "\"a\":\"b\"", "\"x\":\"{\\\"id\\\":\\\"" OTHER "\\\"}\"", "caf\\u00e9 \\\"1\\\"")) == 0 &&
	           !strcmp(name, "caf\xc3\xa9 \"1\""),
	   "a name with escapes");
	ok(FIND(RECORD(OTHER, "\"id\":\"" ID "\"", "", "hers") RECORD(ID, "", "", "tailnet")) == 0 &&
	           !strcmp(name, "tailnet"),
	   "an option of another network that is called id and says ours");
	ok(FIND(RECORD(OTHER, "",
	               "\"{\\\"addrSpace\\\":\\\"\\\",\\\"id\\\":\\\"" ID "\\\",\\\"name\\\":\\\"evil\\\"}\":\"\"",
	               "hers") RECORD(ID, "", "", "tailnet")) == 0 &&
	           !strcmp(name, "tailnet"),
	   "a label of another network that looks like a record");
	ok(FIND(RECORD(ID, "\"name\":\"evil\",\"addrSpace\":\"evil\"", "\"name\":\"evil\"", "tailnet")) == 0 &&
	           !strcmp(name, "tailnet"),
	   "options and labels of ours that are called name");
}

static void not_found(void)
{
	char longer[300];
	ok(FIND("") < 0 && errno == ENOENT, "an empty store: ENOENT");
	ok(FIND(PAGE) < 0 && errno == ENOENT, "one without records");
	ok(FIND(RECORD(OTHER, "", "", "other")) < 0 && errno == ENOENT, "one of others");
	ok(FIND(RECORD(OTHER, "\"id\":\"" ID "\"", "", "hers")) < 0 && errno == ENOENT, "one whose option says ours");
	ok(FIND(RECORD(OTHER, "", "\"id\":\"" ID "\"", "hers")) < 0 && errno == ENOENT, "one whose label says ours");
	ok(FIND(RECORD(ID "00", "", "", "longer")) < 0 && errno == ENOENT, "one whose ID begins like ours");
	ok(FIND("{\"addrSpace\":\"\",\"id\":\"" ID "\"}") < 0 && errno == ENOENT, "a record without a name");
	ok(FIND("{\"addrSpace\":\"\",\"id\":\"" ID "\",\"name\":7}") < 0 && errno == ENOENT,
	   "one whose name is no text");
	ok(FIND("{\"addrSpace\":\"\",\"id\":\"" ID "\",\"name\":\"tailn") < 0 && errno == ENOENT, "one that is cut");
	ok(FIND("{\"addrSpace\":\"\"} {\"id\":\"" ID "\",\"name\":\"x\"}") < 0 && errno == ENOENT,
	   "one that is none of libnetwork's");
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	ok(find("x", 1, longer) < 0 && errno == ENAMETOOLONG, "an ID that is none: ENAMETOOLONG");
}

/* A record with a name of so many letters, and other records before it. */
static void lengths(void)
{
	char text[NETWORK_NAME_MAX + 2];
	autofree char *store = NULL;
	memset(text, 'n', sizeof text - 1);
	text[NETWORK_NAME_MAX] = '\0';
	int n = asprintf(&store, "{\"addrSpace\":\"\",\"id\":\"%s\",\"name\":\"%s\"}", ID, text);
	ok(find(store, (size_t)n, ID) == 0 && !strcmp(name, text), "a name of 255 letters");
	ok(FIND("{\"addrSpace\":\"\",\"id\":\"" ID "\",\"name\":\"a\\u0000b\"}") < 0 && errno == EBADMSG, "a zero in a name: EBADMSG");
	/* as long as a network's labels make it; and behind it the end of the page */
	size_t many = (size_t)900 * 1024;
	char *big = malloc(many + 4096);
	size_t used = (size_t)sprintf(big, "{\"addrSpace\":\"\",\"generic\":{\"x\":\"");
	memset(big + used, 'y', many);
	used += many;
	used += (size_t)sprintf(big + used, "\"},\"id\":\"%s\",\"name\":\"large\"}rest", ID);
	ok(find(big, used, ID) == 0 && !strcmp(name, "large"), "a record of 900 kB");
	free(big);
}

static void in_files(void)
{
	static const char store[] = PAGE RECORD(ID, "", "", "tailnet") "\0\0";
	treelab_begin();
	ok(docker_network_name(treelab, ID, name) < 0 && errno == ENOENT, "no store: ENOENT");
	treelab_write("network/files/local-kv.db", store, sizeof store, 0600);
	ok(docker_network_name(treelab, ID, name) == 0 && !strcmp(name, "tailnet"),
	   "the store beneath Docker's data root");
	ok(docker_network_name(treelab, OTHER, name) < 0 && errno == ENOENT, "a network that is not in it: ENOENT");
	treelab_remove();
}

int main(void)
{
	found();
	not_found();
	lengths();
	in_files();
	return tap_done();
}
