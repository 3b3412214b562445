/* SPDX-License-Identifier: ISC */
/* What becomes of tslink-lookup's answers; a script stands beside the test program in its place. */
#include "lib/base/clock.h"
#include "lib/docker/lookup.h"
#include "tap.h"
#include "treelab.h"

#define RUNDIR "/run/tslink"
#define NETWORK "13cddfa7aef848f1d333d88e596ef5a77704e924ebf679addb70cedbe7473574"
#define ENDPOINT "8dc05b0b5414991661c862ff549b42fefe18a9cbe219412e2d1fe21720fdd6f1"
#define CONTAINER "168c398b568e706c2e3a529815acf66a7af2213e7b4ee3d777c519bdec2995aa"
#define IMAGE "sha256:f236fd9dd41f63732bd98997c899f9e9fc1a8b0d3965adf7ba840daf0c0cc6da"
#define ONE                                                                                                         \
	"{\"Id\":\"" CONTAINER "\",\"Names\":[\"/web.1-x\"],\"Image\":\"web\",\"ImageID\":\"" IMAGE                 \
	"\",\"Labels\":{\"tslink.wait\":\"3\"},\"State\":\"running\",\"HostConfig\":{\"NetworkMode\":\"tailnet\"}," \
	"\"NetworkSettings\":{\"Networks\":{\"tailnet\":{\"NetworkID\":\"" NETWORK "\",\"EndpointID\":\"" ENDPOINT  \
	"\"}}}}"

static struct why why;

/* It answers with this text and ends with this code; what it was asked is in `asked`. */
static void answers(const char *text, int code)
{
	char script[512];
	treelab_put("answer", text);
	int n = snprintf(script, sizeof script, "#!/bin/sh\necho \"$@\" >%s\ncat %s\nexit %d\n", treelab_at("asked"),
	                 treelab_at("answer"), code);
	treelab_write("bin/tslink-lookup", script, (size_t)n, 0700);
}

static int container(struct docker_container *c)
{
	why.text[0] = '\0';
	return lookup_container(RUNDIR, NETWORK, ENDPOINT, c, &why);
}

static void containers(void)
{
	struct docker_container c;
	answers("[" ONE "]\n", 0);
	if (ok(container(&c) == 0, "a container is looked up")) {
		is(c.id, CONTAINER, "its ID");
		is(c.name, "web.1-x", "its name");
		is(pairs_get(&c.labels, "tslink.wait"), "3", "its labels");
		docker_container_free(&c);
	}
	is(treelab_get("asked"), "-r " RUNDIR " container " NETWORK " " ENDPOINT, "what was asked");
	answers("[]\n", 0);
	ok(container(&c) < 0 && errno == ENOENT && strstr(why.text, "8dc05b0b5414"),
	   "none: ENOENT, and the endpoint is named");
	answers("[" ONE "," ONE "]\n", 0);
	ok(container(&c) < 0 && errno == ENOENT, "two are none");
	answers("[" ONE "]\n", 111);
	ok(container(&c) < 0 && errno == EIO && *why.text, "an answer with an exit code is none: EIO");
	answers("", 0);
	ok(container(&c) < 0 && *why.text, "nor is an empty one");
	answers("{\"message\":\"no\"}\n", 0);
	ok(container(&c) < 0 && errno == EBADMSG, "nor what is no list: EBADMSG");
	answers("[{\"Id\":\"x", 0);
	ok(container(&c) < 0 && errno == EBADMSG, "nor half a one");
}

static void others(void)
{
	struct pairs labels;
	char name[NETWORK_NAME_MAX + 1], longer[400];
	answers("{\"Id\":\"" IMAGE "\",\"Config\":{\"Labels\":{\"a\":\"b\"}}}\n", 0);
	if (ok(lookup_image_labels(RUNDIR, IMAGE, &labels, &why) == 0, "an image is looked up")) {
		is(pairs_get(&labels, "a"), "b", "its labels");
		pairs_free(&labels);
	}
	is(treelab_get("asked"), "-r " RUNDIR " image " IMAGE, "what was asked");
	answers("", 111);
	ok(lookup_image_labels(RUNDIR, IMAGE, &labels, &why) < 0 && errno == EIO && strstr(why.text, "image"),
	   "none: EIO");
	answers("{\"Id\":\"" NETWORK "\",\"Name\":\"tailnet\",\"Driver\":\"tslink\",\"Internal\":false}\n", 0);
	ok(lookup_network_name(RUNDIR, NETWORK, name, &why) == 0 && !strcmp(name, "tailnet"),
	   "a network's name is looked up");
	is(treelab_get("asked"), "-r " RUNDIR " network " NETWORK, "what was asked");
	snprintf(longer, sizeof longer, "{\"Id\":\"" NETWORK "\",\"Name\":\"%0256d\",\"Driver\":\"tslink\"}", 7);
	answers(longer, 0);
	ok(lookup_network_name(RUNDIR, NETWORK, name, &why) < 0 && errno == ENAMETOOLONG,
	   "a name of 256 letters: ENAMETOOLONG");
	answers("no\n", 0);
	ok(lookup_network_name(RUNDIR, NETWORK, name, &why) < 0 && errno == EBADMSG, "no answer of the API: EBADMSG");
}

static void failures(void)
{
	struct docker_container c;
	static const char endless[] = "#!/bin/sh\nexec head -c 2000000 /dev/zero\n";
	static const char spaces[] = "#!/bin/sh\nhead -c 2000000 /dev/zero | tr '\\0' ' '\n";
	static const char silent[] = "#!/bin/sh\nexec sleep 60\n";
	treelab_write("bin/tslink-lookup", endless, sizeof endless - 1, 0700);
	ok(container(&c) < 0 && *why.text, "two million zeros");
	treelab_write("bin/tslink-lookup", spaces, sizeof spaces - 1, 0700);
	ok(container(&c) < 0 && *why.text, "two million blanks: an answer that is cut is none");
	treelab_write("bin/tslink-lookup", silent, sizeof silent - 1, 0700);
	int64_t begin = now_ms();
	ok(container(&c) < 0 && errno == ETIMEDOUT && *why.text, "silence: ETIMEDOUT");
	ok(now_ms() - begin >= LOOKUP_MS && now_ms() - begin < 3L * LOOKUP_MS, "after the time that a lookup has");
	unlink(treelab_at("bin/tslink-lookup"));
	ok(container(&c) < 0 && errno == ENOENT && *why.text, "no tslink-lookup: ENOENT");
}

int main(int argc, char **argv)
{
	treelab_beside(argc, argv);
	containers();
	others();
	failures();
	treelab_remove();
	return tap_done();
}
