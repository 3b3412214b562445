/* SPDX-License-Identifier: ISC */
/* Docker's files, as 20.10, 26.1 and 28.5 write them (cut down to what matters and its neighbours). */
#include "lib/base/file.h"
#include "lib/docker/files.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SANDBOX "9924ce1f464ab77a48d5818d4a4244d8eac08cc7eb0b8b015135c30fe7507b0b"
#define KEY "/var/run/docker/netns/9924ce1f464a"
#define CID "168c398b568e706c2e3a529815acf66a7af2213e7b4ee3d777c519bdec2995aa"
#define OTHER "876c6a7e6be6735b279a77dd223242d2b700801efbf92f8882c892d7d3438a13"
#define IMAGE "f236fd9dd41f63732bd98997c899f9e9fc1a8b0d3965adf7ba840daf0c0cc6da"
#define ENTRY(sandbox, cid)                      \
	"{\"ID\":\"" sandbox "\",\"Cid\":\"" cid \
	"\",\"Eps\":[{\"Eid\":\"8dc05b0b5414991661c862ff549b42fefe18a9cbe219412e2d1fe21720fdd6f1\"}]}"
#define CONFIG                                                                                                        \
	"{\"StreamConfig\":{},\"State\":{\"Running\":false,\"Pid\":0},\"ID\":\"" CID                                  \
	"\",\"Path\":\"sleep\",\"Args\":[\"100\"],\"Config\":{\"Hostname\":\"168c398b568e\",\"Env\":null,\"Image\":"  \
	"\"registry.test/web:1\",\"Labels\":{\"com.example.author\":\"a b\",\"tslink.hostname\":\"evil\","            \
	"\"odd\\u0000name\":\"odd\\u0000value\",\"slash\\\\u0000\":\"\",\"nothing\":null}},\"Image\":\"sha256:" IMAGE \
	"\",\"NetworkSettings\":{\"SandboxID\":\"\",\"Ports\":null},\"Name\":\"/web.1-x\",\"ResolvConfPath\":"        \
	"\"/var/lib/docker/containers/" CID "/resolv.conf\"}\n"
#define HOST_CONFIG                                                                                   \
	"{\"Binds\":null,\"NetworkMode\":\"tailnet\",\"RestartPolicy\":{\"Name\":\"unless-stopped\"," \
	"\"MaximumRetryCount\":0},\"AutoRemove\":true,\"ConsoleSize\":[0,0]}\n"

static char root[PATH_MAX];
static struct why why;

static const char *at(const char *name)
{
	static char path[PATH_MAX + 256];
	snprintf(path, sizeof path, "%s/%s", root, name);
	return path;
}

static void put_bytes(const char *name, const char *data, size_t len)
{
	char dir[PATH_MAX + 256];
	snprintf(dir, sizeof dir, "%s", at(name));
	*strrchr(dir, '/') = '\0';
	if (dir_make_all(dir, 0700) < 0 || file_publish(AT_FDCWD, at(name), data, len, 0600, VOLATILE) < 0) {
		perror(name);
		exit(1);
	}
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

static int fails_with(int result, int error)
{
	int good = result == -1 && errno == error && *why.text;
	if (!good)
		printf("# result %d, errno %d (%s), reason: %s\n", result, errno, strerror(errno), why.text);
	why = (struct why){0};
	return good;
}

/* A search in memory of exactly that size. */
static int search(const char *text, size_t len, char cid[ID_SIZE])
{
	char *exact = malloc(len ? len : 1);
	memcpy(exact, text, len);
	int result = docker_sandbox_search(exact, len, "9924ce1f464a", cid);
	int saved = errno;
	free(exact);
	errno = saved;
	return result;
}

static void sandboxes(void)
{
	static const char entry[] = "page\0\1" ENTRY(SANDBOX, CID) "\0";
	static const char *const hostile[] = {
		"",
		"/",
		"9924ce1f464a",
		"/x/9924ce1f464",
		"/x/9924ce1f464a1",
		"/x/9924CE1F464A",
		"/x/default",
		"/x/9924ce1f464\"",
		"/x/../../..",
		"/x/9924ce1f464a/",
	};
	char cid[ID_SIZE] = "", name[128];
	is_number(search(entry, sizeof entry, cid), 0, "a record between other bytes");
	is(cid, CID, "the container's ID");
	int missed = 0;
	for (size_t len = 0; len < sizeof entry - sizeof "\",\"Eps\"" - 75; len++)
		missed += search(entry, len, cid) == -1 && errno == ENOENT;
	ok(missed > 150, "a record that ends too early is none (%d lengths)", missed);
	ok(search("\0", 1, cid) == -1 && errno == ENOENT, "an empty store");
	static const char twice[] = "{\"ID\":\"9924ce1f464a" ENTRY(SANDBOX, CID) ENTRY(SANDBOX, CID);
	ok(search(twice, sizeof twice, cid) == 0 && !strcmp(cid, CID), "a stale page with the same record");
	static const char differ[] = ENTRY(SANDBOX, CID) ENTRY(SANDBOX, OTHER);
	ok(search(differ, sizeof differ, cid) == -1 && errno == ENOENT, "two containers for one sandbox are none");
	static const char escaped[] = "{\\\"ID\\\":\\\"" SANDBOX "\\\",\\\"Cid\\\":\\\"" CID "\\\",";
	ok(search(escaped, sizeof escaped, cid) == -1, "a record within a text of somebody else is none");
	static const char upper[] =
		"{\"ID\":\"" SANDBOX "\",\"Cid\":\"168C398B568E706c2e3a529815acf66a7af2213e7b4ee3d777c519bdec2995aa\"";
	ok(search(upper, sizeof upper, cid) == -1, "an ID in capitals is none");

	ok(fails_with(docker_sandbox_container(root, KEY, cid, &why), ENOENT), "no store");
	put_bytes("network/files/local-kv.db", entry, sizeof entry);
	*cid = '\0';
	is_number(docker_sandbox_container(root, KEY, cid, &why), 0, "from the file");
	is(cid, CID, "the container's ID");
	ok(fails_with(docker_sandbox_container(root, "/run/docker/netns/0924ce1f464a", cid, &why), ENOENT),
	   "another sandbox");
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		snprintf(name, sizeof name, "SandboxKey %s", hostile[i]);
		ok(fails_with(docker_sandbox_container(root, hostile[i], cid, &why), EINVAL), "%s", name);
	}
	ok(fails_with(docker_sandbox_container("var/lib/docker", KEY, cid, &why), EINVAL), "a relative data root");
}

static void put_container(const char *config, const char *host_config)
{
	put("containers/" CID "/config.v2.json", config);
	put("containers/" CID "/hostconfig.json", host_config);
}

static void containers(void)
{
	struct docker_container c;
	ok(fails_with(docker_container_exists(root, CID, &why), ENOENT), "without a directory nothing is gone");
	put_container(CONFIG, HOST_CONFIG);
	is_number(docker_container_read(root, CID, &c, &why), 0, "a container");
	is(c.id, CID, "id");
	is(c.name, "web.1-x", "name");
	is(c.image_id, "sha256:" IMAGE, "image ID");
	is(c.image, "registry.test/web:1", "image");
	is(c.network_mode, "tailnet", "network mode");
	is(c.restart_policy, "unless-stopped", "restart policy");
	is(c.resolv_conf, "/var/lib/docker/containers/" CID "/resolv.conf", "resolv.conf");
	is_number(c.auto_remove, 1, "--rm");
	is_number((long long)c.labels.count, 5, "labels");
	is(pairs_get(&c.labels, "tslink.hostname"), "evil", "a label");
	is(pairs_get(&c.labels, "odd\xef\xbf\xbdname"), "odd\xef\xbf\xbdvalue", "a zero in a label cuts nothing");
	is(pairs_get(&c.labels, "slash\\u0000"), "", "an escaped backslash is no escape");
	is(pairs_get(&c.labels, "nothing"), "", "null");
	ok(!c.state && !c.network_count, "what files do not tell");
	docker_container_free(&c);
	docker_container_free(&c);

	is_number(docker_container_exists(root, CID, &why), 1, "it exists");
	is_number(docker_container_exists(root, OTHER, &why), 0, "another does not");
	ok(fails_with(docker_container_exists(root, "../x", &why), EINVAL), "what is no ID");
	ok(fails_with(docker_container_read(root, OTHER, &c, &why), ENOENT), "reading another");
	ok(fails_with(docker_container_read(root, "../../etc", &c, &why), EINVAL), "reading what is no ID");
}

static void odd_containers(void)
{
	static const struct {
		const char *name, *config, *host_config;
	} cases[] = {
		{"an empty file", "", HOST_CONFIG},
		{"half a file", "{\"Name\":\"/a\",\"Config\":{\"Lab", HOST_CONFIG},
		{"an array", "[]", HOST_CONFIG},
		{"null", "null", HOST_CONFIG},
		{"no name", "{\"Config\":{}}", HOST_CONFIG},
		{"no Config", "{\"Name\":\"/a\"}", HOST_CONFIG},
		{"a name that is a number", "{\"Name\":1,\"Config\":{}}", HOST_CONFIG},
		{"labels that are a list", "{\"Name\":\"/a\",\"Config\":{\"Labels\":[]}}", HOST_CONFIG},
		{"a label that is a number", "{\"Name\":\"/a\",\"Config\":{\"Labels\":{\"a\":1}}}", HOST_CONFIG},
		{"no UTF-8", "{\"Name\":\"/\xff\",\"Config\":{}}", HOST_CONFIG},
		{"half a hostconfig", CONFIG, "{\"AutoRemove\":tr"},
		{"AutoRemove as a text", CONFIG, "{\"AutoRemove\":\"true\"}"},
	};
	struct docker_container c;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		put_container(cases[i].config, cases[i].host_config);
		ok(fails_with(docker_container_read(root, CID, &c, &why), EBADMSG), "%s", cases[i].name);
	}
	put_container("{\"Name\":\"/a\",\"Config\":{\"Labels\":null}}", "{}");
	ok(docker_container_read(root, CID, &c, &why) == 0 && c.auto_remove == 0 && !c.labels.count &&
	           !*c.restart_policy,
	   "the least that there must be");
	docker_container_free(&c);
	if (truncate(at("containers/" CID "/config.v2.json"), 17 * 1024 * 1024) == 0)
		ok(fails_with(docker_container_read(root, CID, &c, &why), EFBIG), "a file of 17 MiB");
}

static void images(void)
{
	static const char file[] = "image/overlay2/imagedb/content/sha256/" IMAGE;
	static const char plain[] =
		"{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=b:c\"],\"Labels\":{\"a:\\\"b\":\"c\","
		"\"tslink.hostname\":\"evil\"}},\"container_config\":{\"Labels\":{\"x\":\"y\"}},"
		"\"history\":[{\"created_by\":\"RUN \\\\\"}],\"rootfs\":{\"type\":\"layers\"}}";
	static const struct {
		const char *name, *text;
	} refused[] = {
		{"two configs", "{\"config\":{\"Labels\":{\"a\":\"b\"}},\"config\":{}}"},
		{"two configs by case", "{\"config\":{},\"Config\":{\"Labels\":{\"a\":\"b\"}}}"},
		{"two labels maps", "{\"config\":{\"Labels\":{\"a\":\"b\"},\"Labels\":{}}}"},
		{"two labels maps by case", "{\"config\":{\"Labels\":{\"a\":\"b\"},\"labels\":{}}}"},
		{"two labels of a name", "{\"config\":{\"Labels\":{\"a\":\"b\",\"a\":\"c\"}}}"},
		{"a name by escape", "{\"config\":{\"Labels\":{\"a\":\"b\",\"\\u0061\":\"c\"}}}"},
		{"a long s", "{\"config\":{\"Label\xc5\xbf\":{\"a\":\"b\"}}}"},
		{"a foreign letter above", "{\"con\xef\xac\x81g\":{}}"},
		{"a zero in a label", "{\"config\":{\"Labels\":{\"a\\u0000\":\"b\"}}}"},
		{"half a surrogate pair", "{\"config\":{\"Labels\":{\"a\":\"\\ud800\"}}}"},
		{"labels that are a list", "{\"config\":{\"Labels\":[\"a\"]}}"},
		{"a comment", "{\"config\":{/*\"*/}}"},
		{"half a file", "{\"config\":{"},
		{"an empty file", ""},
		{"null", "null"},
	};
	struct pairs labels;
	ok(fails_with(docker_image_labels(root, "sha256:" IMAGE, &labels, &why), ENOENT), "no image store");
	put("image/repositories.json", "{}");
	put(file, plain);
	is_number(docker_image_labels(root, "sha256:" IMAGE, &labels, &why), 0, "an image");
	is_number((long long)labels.count, 2, "its labels");
	is(pairs_get(&labels, "a:\"b"), "c", "one with a quote");
	is(pairs_get(&labels, "tslink.hostname"), "evil", "another one");
	pairs_free(&labels);
	ok(fails_with(docker_image_labels(root, "sha256:" CID, &labels, &why), ENOENT), "another image");
	ok(fails_with(docker_image_labels(root, IMAGE, &labels, &why), EINVAL), "no algorithm");
	ok(fails_with(docker_image_labels(root, "sha256:../../x", &labels, &why), EINVAL), "no digits");
	put(file, "{\"CONFIG\":{\"labels\":{\"a\":\"b\"}}}");
	ok(docker_image_labels(root, "sha256:" IMAGE, &labels, &why) == 0 && labels.count == 1,
	   "names in any case, as Go reads");
	pairs_free(&labels);
	put(file, "{\"config\":{\"Labels\":null}}");
	ok(docker_image_labels(root, "sha256:" IMAGE, &labels, &why) == 0 && labels.count == 0, "no labels");
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		put(file, refused[i].text);
		ok(fails_with(docker_image_labels(root, "sha256:" IMAGE, &labels, &why), EBADMSG), "refused: %s",
		   refused[i].name);
	}
}

static void data_roots(void)
{
	char found[PATH_MAX] = "";
	ok(fails_with(docker_data_root_of_pid(getpid(), found, &why), ENOENT), "a process that is no dockerd");
	put("volumes/metadata.db", "");
	int fd = open(at("volumes/metadata.db"), O_RDONLY | O_CLOEXEC);
	is_number(docker_data_root_of_pid(getpid(), found, &why), 0, "one that has the file open");
	is(found, root, "its data root");
	close(fd);
	ok(fails_with(docker_data_root_of_pid(0, found, &why), EINVAL), "process 0");
	ok(fails_with(docker_data_root_of_pid(INT_MAX, found, &why), ENOENT), "a process that is not there");
}

int main(void)
{
	char dir[] = "/tmp/tslink-files.XXXXXX";
	if (!mkdtemp(dir) || !realpath(dir, root)) {
		perror(dir);
		return 1;
	}
	sandboxes();
	containers();
	odd_containers();
	images();
	data_roots();
	ok(tree_remove(AT_FDCWD, root) == 0, "cleaned up");
	return tap_done();
}
