/* SPDX-License-Identifier: ISC */
/*
 * The client of the Engine API against an engine of the test's own: a thread on a socket, which answers as it is
 * told to, also badly. The bodies are those of 20.10, 26.1 and 28.5 (cut down).
 */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/docker/engine.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CID "168c398b568e706c2e3a529815acf66a7af2213e7b4ee3d777c519bdec2995aa"
#define OTHER "876c6a7e6be6735b279a77dd223242d2b700801efbf92f8882c892d7d3438a13"
#define NET "13cddfa7aef848f1d333d88e596ef5a77704e924ebf679addb70cedbe7473574"
#define EP "8dc05b0b5414991661c862ff549b42fefe18a9cbe219412e2d1fe21720fdd6f1"
#define EP2 "fe46263361909cf4e85cd5b9cb8a5625e90013face8143f63b38eb22077ebdf8"
#define IMAGE "sha256:f236fd9dd41f63732bd98997c899f9e9fc1a8b0d3965adf7ba840daf0c0cc6da"

#define CONTAINER(id, name, networks)                                                                                  \
	"{\"Id\":\"" id "\",\"Names\":[\"/consumer/alias\",\"/" name "\"],\"Image\":\"labelled\",\"ImageID\":\"" IMAGE \
	"\",\"Command\":\"sleep 100\",\"Created\":1795563648,\"Ports\":[],\"Labels\":{\"tslink.wait\":\"3\"},"         \
	"\"State\":\"running\",\"Status\":\"Up 4 seconds\",\"HostConfig\":{\"NetworkMode\":\"tailnet\"},"              \
	"\"NetworkSettings\":{\"Networks\":{" networks "}},\"Mounts\":[]}"
#define ATTACHED(ep) \
	"\"tailnet\":{\"IPAMConfig\":null,\"Links\":null,\"NetworkID\":\"" NET "\",\"EndpointID\":\"" ep "\"}"
#define NETWORK(containers)                                                                                        \
	"{\"Name\":\"tailnet\",\"Id\":\"" NET "\",\"Scope\":\"local\",\"Driver\":\"tslink\",\"EnableIPv6\":false," \
	"\"IPAM\":{\"Driver\":\"default\",\"Config\":[{\"Subnet\":\"10.77.0.0/24\"}]},\"Internal\":true,"          \
	"\"Containers\":{" containers "},\"Options\":{\"a.b\":\"c\"},\"Labels\":{}}"
#define MEMBER(key, name, ep)                                     \
	"\"" key "\":{\"Name\":\"" name "\",\"EndpointID\":\"" ep \
	"\",\"MacAddress\":\"\",\"IPv4Address\":\"10.77.0.2/24\"}"
#define EVENT(type, action, id, attributes)                                                                  \
	"{\"status\":\"" action "\",\"Type\":\"" type "\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" id \
	"\",\"Attributes\":{" attributes                                                                     \
	"}},\"scope\":\"local\",\"time\":1795563649,\"timeNano\":1795563649490731657}"

#define TEN(c) c c c c c c c c c c
#define LONG_HOST "unix:///" TEN(TEN("a")) "1234567" /* 108 bytes of path */

static struct why why;

/* --- the engine of the test --- */

enum manner {
	WHOLE,   /* status line, Content-Length, body */
	CHUNKED, /* in chunks and writes of `step` bytes */
	RAW,     /* the text as it is */
	SILENT,  /* never answers */
	PARTIAL, /* half of the body, then the end */
	STALLED, /* half of the body, then nothing more */
	ENDLESS, /* a body without an end */
};

struct route {
	const char *path; /* the request's beginning */
	enum manner manner;
	int status;
	const char *body;
	size_t step;
};

static struct {
	char dir[64], host[128];
	int listener, stop;
	pthread_t thread;
	const struct route *routes;
	char requests[64 * 1024]; /* their first lines */
	int count;
} fake;

static int out(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int out_text(int fd, const char *text)
{
	return out(fd, text, strlen(text));
}

/* Until the client leaves or the test is over. */
static void hold(int fd)
{
	char buf[256];
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = fake.stop, .events = POLLIN}};
	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		if (read(fd, buf, sizeof buf) <= 0)
			return;
}

static void chunks(int fd, const struct route *r)
{
	size_t len = strlen(r->body);
	char size[32];
	for (size_t i = 0; i < len; i += r->step) {
		size_t n = len - i < r->step ? len - i : r->step;
		snprintf(size, sizeof size, "%zx\r\n", n);
		if (out_text(fd, size) < 0 || out(fd, r->body + i, n) < 0 || out_text(fd, "\r\n") < 0)
			return;
	}
}

static void answer(int fd, const struct route *r)
{
	char head[256], many[8192];
	const char *length = "Transfer-Encoding: chunked";
	char fixed[64];
	snprintf(fixed, sizeof fixed, "Content-Length: %zu", r->body ? strlen(r->body) : 0);
	if (r->manner == WHOLE || r->manner == PARTIAL || r->manner == STALLED)
		length = fixed;
	if (r->manner == ENDLESS)
		length = "Connection: close";
	snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%s\r\n\r\n", r->status, length);
	if (r->manner != RAW && r->manner != SILENT && out_text(fd, head) < 0)
		return;
	switch (r->manner) {
	case WHOLE:
	case RAW: out_text(fd, r->body); break;
	case CHUNKED:
		chunks(fd, r);
		out_text(fd, "0\r\n\r\n");
		break;
	case PARTIAL: out(fd, r->body, strlen(r->body) / 2); break;
	case STALLED:
		out(fd, r->body, strlen(r->body) / 2);
		hold(fd);
		break;
	case SILENT: hold(fd); break;
	case ENDLESS:
		memset(many, ' ', sizeof many);
		while (out(fd, many, sizeof many) == 0)
			continue;
		break;
	}
}

static void serve(int fd)
{
	static char head[64 * 1024];
	size_t used = 0;
	ssize_t n;
	*head = '\0';
	while (!strstr(head, "\r\n\r\n") && (n = read(fd, head + used, sizeof head - 1 - used)) > 0) {
		used += (size_t)n;
		head[used] = '\0';
	}
	size_t had = strlen(fake.requests);
	snprintf(fake.requests + had, sizeof fake.requests - had, "%.*s\n", (int)strcspn(head, "\r"), head);
	fake.count++;
	for (const struct route *r = fake.routes; r->path; r++) {
		if (!strncmp(head, r->path, strlen(r->path))) {
			answer(fd, r);
			return;
		}
	}
	out_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 29\r\n\r\n{\"message\":\"page not found\"}\n");
}

static void *fake_run(void *arg)
{
	(void)arg;
	struct pollfd fds[] = {{.fd = fake.listener, .events = POLLIN}, {.fd = fake.stop, .events = POLLIN}};
	while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
		int fd = accept4(fake.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		serve(fd);
		close(fd);
	}
	return NULL;
}

static struct engine *start(const struct route *routes)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(fake.dir, "/tmp/tslink-engine.XXXXXX");
	if (!mkdtemp(fake.dir))
		abort();
	snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", fake.dir);
	snprintf(fake.host, sizeof fake.host, "unix://%s/sock", fake.dir);
	fake.routes = routes;
	fake.count = 0;
	*fake.requests = '\0';
	fake.stop = eventfd(0, EFD_CLOEXEC);
	fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fake.stop < 0 || bind(fake.listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(fake.listener, 8) < 0 ||
	    pthread_create(&fake.thread, NULL, fake_run, NULL) != 0)
		abort();
	struct engine *e = engine_open(fake.host, &why);
	if (!e)
		abort();
	return e;
}

/* Ends the fake's thread; its requests can be read then. */
static void stop(struct engine *e)
{
	uint64_t one = 1;
	engine_close(e);
	if (write(fake.stop, &one, sizeof one) != sizeof one)
		abort();
	pthread_join(fake.thread, NULL);
	close(fake.stop);
	close(fake.listener);
	tree_remove(AT_FDCWD, fake.dir);
}

static int fails_with(int result, int error)
{
	int good = result == -1 && errno == error && *why.text && !strpbrk(why.text, "\r\n");
	if (!good)
		printf("# result %d, errno %d (%s), reason: %s\n", result, errno, strerror(errno), why.text);
	why = (struct why){0};
	return good;
}

static int64_t soon(void)
{
	return deadline_in(10000);
}

/* --- calls --- */

static void good_answers(enum manner manner, size_t step)
{
	const struct route routes[] = {
		{"GET /_ping", manner, 200, "OK", step},
		{"GET /info", manner, 200,
	         "{\"ID\":\"x\",\"Containers\":2,\"DockerRootDir\":\"/var/lib/docker\",\"LiveRestoreEnabled\":true,"
	         "\"ServerVersion\":\"28.5.2\"}\n",
	         step},
		{"GET /networks?", manner, 200, "[" NETWORK("") "]", step},
		{"GET /networks/" NET " ", manner, 200,
	         NETWORK(MEMBER(CID, "web", EP) "," MEMBER("ep-" EP2, "a.b", EP2) "," MEMBER("ep-" OTHER, "c", "")),
	         step},
		{"GET /containers/json?all=1", manner, 200,
	         "[" CONTAINER(CID, "web", ATTACHED(EP)) "," CONTAINER(
			 OTHER, "a.b",
			 ATTACHED("")) ",{\"Id\":\"" EP
	                               "\",\"Names\":[],\"Labels\":null,\"NetworkSettings\":{\"Networks\":{}}}]",
	         step},
		{"GET /images/" IMAGE "/json", manner, 200,
	         "{\"Id\":\"" IMAGE "\",\"Config\":{\"Labels\":{\"tslink.hostname\":\"evil\"}}}", step},
		{NULL, 0, 0, NULL, 0},
	};
	struct engine *e = start(routes);
	struct docker_info info;
	struct docker_networks all;
	struct docker_network n;
	struct docker_containers list;
	struct docker_container c;
	struct pairs labels;

	is_number(engine_ping(e, soon(), &why), 0, "ping");
	ok(engine_info(e, &info, soon(), &why) == 0 && info.live_restore, "info");
	is(info.root_dir, "/var/lib/docker", "data root");
	is(info.version, "28.5.2", "version");

	ok(engine_networks(e, "ts\"link:latest", &all, soon(), &why) == 0 && all.count == 1, "networks of a driver");
	is(all.list[0].id, NET, "a network's ID");
	docker_networks_free(&all);

	ok(engine_network(e, NET, &n, soon(), &why) == 0 && n.endpoint_count == 3 && n.internal, "a network");
	is(n.name, "tailnet", "its name");
	is(n.driver, "tslink", "its driver");
	is(pairs_get(&n.options, "a.b"), "c", "its option");
	ok(!strcmp(n.endpoints[0].container, CID) && !strcmp(n.endpoints[0].endpoint, EP),
	   "an endpoint of a container that runs");
	ok(!*n.endpoints[1].container && !strcmp(n.endpoints[1].endpoint, EP2), "one of a container that starts");
	ok(!*n.endpoints[2].container && !strcmp(n.endpoints[2].endpoint, OTHER), "one without a field of its own");
	is(n.endpoints[1].name, "a.b", "the container's name");
	docker_network_free(&n);

	ok(engine_containers(e, NULL, 0, &list, soon(), &why) == 0 && list.count == 3, "all containers");
	is(list.list[0].name, "web", "the name that is no alias");
	is(list.list[0].image_id, IMAGE, "image ID");
	is(list.list[0].network_mode, "tailnet", "network mode");
	is(list.list[0].state, "running", "state");
	is(pairs_get(&list.list[0].labels, "tslink.wait"), "3", "a label");
	is(list.list[0].networks[0].network, NET, "its network");
	is(list.list[0].networks[0].endpoint, EP, "its endpoint");
	is(list.list[1].networks[0].endpoint, "", "none while it starts");
	is(list.list[2].name, "", "no name while it is removed");
	is_number(list.list[2].auto_remove, -1, "what the list does not tell");
	docker_containers_free(&list);

	ok(engine_image_labels(e, IMAGE, &labels, soon(), &why) == 0 && labels.count == 1, "labels of an image");
	is(pairs_get(&labels, "tslink.hostname"), "evil", "one of them");
	pairs_free(&labels);

	is_number(engine_find_container(e, NET, EP, &c, soon(), &why), 0, "the container of an endpoint");
	is(c.id, CID, "by its ID");
	docker_container_free(&c);
	is_number(engine_find_container(e, NET, EP2, &c, soon(), &why), 0, "of one that starts");
	is(c.id, OTHER, "by its name");
	docker_container_free(&c);
	ok(fails_with(engine_find_container(e, NET, CID, &c, soon(), &why), ENOENT), "an endpoint that is not there");
	ok(fails_with(engine_find_container(e, NET, OTHER, &c, soon(), &why), ENOENT), "a container that is not there");
	stop(e);
	ok(strstr(fake.requests,
	          "GET /networks?filters=%7B%22driver%22%3A%5B%22ts%5C%22link%3Alatest%22%5D%7D HTTP/1.1\n") != NULL,
	   "the driver's filter");
	ok(strstr(fake.requests, "all=1&filters=%7B%22name%22%3A%5B%22%5E%5C%2Fa%5C%5C.b%24%22%5D%7D ") != NULL,
	   "the name's expression");
	ok(strstr(fake.requests, "all=1&filters=%7B%22id%22%3A%5B%22" CID "%22%5D%7D ") != NULL, "the ID's filter");
	ok(!strstr(fake.requests, "/containers/" CID), "nothing that blocks was asked");
}

static void many_ids(void)
{
	const struct route routes[] = {{"GET /containers/json?all=1", WHOLE, 200, "[" CONTAINER(CID, "web", "") "]", 0},
	                               {0}};
	struct engine *e = start(routes);
	struct docker_containers list;
	const char *ids[201], *bad[] = {CID, "../x"};
	for (size_t i = 0; i < 201; i++)
		ids[i] = i % 2 ? CID : OTHER;
	ok(engine_containers(e, ids, 201, &list, soon(), &why) == 0 && list.count == 3, "201 IDs make three calls");
	docker_containers_free(&list);
	ok(engine_containers(e, ids, 0, &list, soon(), &why) == 0 && list.count == 0, "no IDs are no containers");
	docker_containers_free(&list);
	ok(fails_with(engine_containers(e, bad, 2, &list, soon(), &why), EINVAL), "what is no ID");
	struct docker_network n;
	struct pairs labels;
	ok(fails_with(engine_network(e, "../info", &n, soon(), &why), EINVAL), "what is no network");
	ok(fails_with(engine_network(e, "", &n, soon(), &why), EINVAL), "no network at all");
	ok(fails_with(engine_image_labels(e, "../info", &labels, soon(), &why), EINVAL), "what is no image");
	stop(e);
	is_number(fake.count, 3, "three requests in all");
}

static int info_with(enum manner manner, int status, const char *body, int ms)
{
	const struct route routes[] = {{"GET /info", manner, status, body, 3}, {0}};
	struct docker_info info;
	struct engine *e = start(routes);
	int result = engine_info(e, &info, deadline_in(ms), &why);
	int saved = errno;
	stop(e);
	errno = saved;
	return result;
}

#define INFO "{\"DockerRootDir\":\"/d\",\"ServerVersion\":\"1\"}"

static void bad_answers(void)
{
	static const struct {
		const char *name, *body;
		enum manner manner;
		int status, error;
	} cases[] = {
		{"an object that is not there", "{\"message\":\"No such container: x\"}", WHOLE, 404, ENOENT},
		{"a path that is not there", "{\"message\":\"page not found\"}", WHOLE, 404, EPROTO},
		{"a 404 of somebody else", "<html>404</html>", WHOLE, 404, EPROTO},
		{"an empty 404", "", WHOLE, 404, EPROTO},
		{"an error of Docker's", "{\"message\":\"a\\nb \\u0000\"}", WHOLE, 500, EPROTO},
		{"an error that is no JSON", "oh", CHUNKED, 503, EPROTO},
		{"a redirection", "", WHOLE, 301, EPROTO},
		{"an empty answer", "", WHOLE, 200, EBADMSG},
		{"no JSON", "<html>", WHOLE, 200, EBADMSG},
		{"half of it, by its length", INFO, PARTIAL, 200, ECONNRESET},
		{"half of it, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2f\r\n{\"Docker", RAW,
	         200, ECONNRESET},
		{"half of it, without a length", "HTTP/1.0 200 OK\r\n\r\n{\"Docker", RAW, 200, EBADMSG},
		{"a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", RAW, 200,
	         ECONNRESET},
		{"no head", "", RAW, 200, ECONNRESET},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", RAW, 200, EPROTO},
		{"an array", "[]", WHOLE, 200, EBADMSG},
		{"null", "null", WHOLE, 200, EBADMSG},
		{"a data root that is a number", "{\"DockerRootDir\":1}", WHOLE, 200, EBADMSG},
		{"a relative data root", "{\"DockerRootDir\":\"d\"}", WHOLE, 200, EBADMSG},
		{"something behind it", INFO "x", WHOLE, 200, EBADMSG},
		{"no UTF-8", "{\"DockerRootDir\":\"/\xff\"}", WHOLE, 200, EBADMSG},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ok(fails_with(info_with(cases[i].manner, cases[i].status, cases[i].body, 10000), cases[i].error), "%s",
		   cases[i].name);
	is_number(info_with(RAW, 200, "HTTP/1.0 200 OK\r\n\r\n" INFO, 10000), 0, "an answer of HTTP/1.0");
	ok(fails_with(info_with(ENDLESS, 200, NULL, 60000), EFBIG), "an answer without an end");
	info_with(WHOLE, 500, "{\"message\":\"the disk is full\"}", 10000);
	ok(strstr(why.text, "GET /info") && strstr(why.text, "the disk is full") && strstr(why.text, fake.dir),
	   "the reason names host, call and cause");

	static const char *const lists[] = {
		"{}",
		"[1]",
		"[{}]",
		"[null]",
		"[" CONTAINER(CID, "web", "") ",{\"Id\":\"x\"}]",
		"[{\"Id\":\"" CID "\",\"Names\":{}}]",
		"[{\"Id\":\"" CID "\",\"Labels\":{\"a\":{}}}]",
		"[" CONTAINER("168C398B568E706c2e3a529815acf66a7af2213e7b4ee3d777c519bdec2995aa", "web", "") "]",
		"[" CONTAINER(CID, "web", "\"a\":1") "]",
		"[" CONTAINER(CID, "web", ATTACHED("../x")) "]",
	};
	struct docker_containers list = {0};
	char text[4096] = "[" CONTAINER(CID, "web", "") "]";
	ok(docker_containers_parse(&list, text, strlen(text), &why) == 0 && list.count == 1, "a list");
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		snprintf(text, sizeof text, "%s", lists[i]);
		ok(fails_with(docker_containers_parse(&list, text, strlen(text), &why), EBADMSG) && list.count == 1,
		   "no list of containers: %.20s", lists[i]);
	}
	docker_containers_free(&list);
}

static void deadlines(void)
{
	static const struct {
		const char *name;
		enum manner manner;
	} cases[] = {{"an engine that never answers", SILENT}, {"one that stops within its answer", STALLED}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t began = now_ms();
		ok(fails_with(info_with(cases[i].manner, 200, INFO, 200), ETIMEDOUT), "%s", cases[i].name);
		int64_t took = now_ms() - began;
		ok(took >= 200 && took < 5000, "the deadline was kept (200 ms: %lld)", (long long)took);
	}
	ok(fails_with(info_with(WHOLE, 200, INFO, -1), ETIMEDOUT), "a deadline that has passed");
}

static void hosts(void)
{
	static const char *const bad[] = {
		"/run/docker.sock",
		"unix://",
		"unix://run/docker.sock",
		"tcp://",
		"tcp:///x",
		"tcp://a b",
		"tcp://u:secret@h:1",
		"ssh://h",
		"npipe:////./pipe/docker_engine",
		"tcp://h:1?x",
		"http://h",
		LONG_HOST,
	};
	static const char *const good[] = {NULL, "", "unix:///run/docker.sock", "tcp://127.0.0.1:2375",
	                                   "tcp://[::1]:2375/"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct engine *e = engine_open(bad[i], &why);
		ok(!e && errno == EINVAL && *why.text && !strstr(why.text, "secret"), "no DOCKER_HOST: %s", bad[i]);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct engine *e = engine_open(good[i], &why);
		ok(e != NULL, "DOCKER_HOST: %s", good[i] ? good[i] : "none");
		engine_close(e);
	}
	struct engine *e = engine_open("unix:///tmp/tslink-engine/no/such/socket", &why);
	ok(fails_with(engine_ping(e, soon(), &why), ECONNREFUSED), "no socket is not \"no such object\"");
	engine_close(e);
	const struct route routes[] = {{"GET /_ping", WHOLE, 200, "OK", 0}, {0}};
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	e = start(routes);
	is_number(engine_ping(e, soon(), &why), 0, "no proxy of the environment is used");
	stop(e);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

/* --- events --- */

static char seen[4096];
static int connections;

static void note_event(void *arg, const struct docker_event *e)
{
	size_t had = strlen(seen);
	(void)arg;
	if (e->lost)
		snprintf(seen + had, sizeof seen - had, "lost;");
	else
		snprintf(seen + had, sizeof seen - had, "%s %s %.4s %.4s %s;", e->type, e->action, e->id, e->container,
		         e->driver);
}

static void note_connected(void *arg)
{
	(void)arg;
	connections++;
}

#define THREE(between, behind)                                                                                         \
	between EVENT("network", "connect", NET, "\"container\":\"" CID "\",\"name\":\"tailnet\",\"type\":\"tslink\"") \
		behind between EVENT("container", "die", OTHER,                                                        \
	                             "\"container\":\"" CID "\",\"exitCode\":\"0\",\"type\":7")                        \
			behind between EVENT("network", "create", NET, "\"name\":\"tailnet\",\"type\":\"bridge\"")     \
				behind
#define SEEN "network connect 13cd 168c tslink;container die 876c 876c ;network create 13cd  bridge;"

static int feed(struct event_reader *r, const char *text, size_t len, size_t step)
{
	int result = 0;
	for (size_t i = 0; result == 0 && i < len; i += step)
		result = event_reader_feed(r, text + i, len - i < step ? len - i : step, note_event, NULL, &why);
	return result;
}

static void records(void)
{
	static const struct {
		const char *name, *text;
	} good[] = {
		{"lines", THREE("", "\n")},
		{"lines with carriage returns", THREE("", "\r\n")},
		{"json-seq", THREE("\x1e", "\n")},
		{"empty lines between", THREE("\n \n", "\n\n")},
	};
	static const char *const bad[] = {
		"[]\n",
		"null\n",
		"{}\n",
		"7\n",
		"x\n",
		"{\"Type\":1}\n",
		"{\"Type\":\"network\",\"Actor\":[]}\n",
		"{\"Type\":\"network\",\"Actor\":{\"Attributes\":{\"container\":{}}}}\n",
		"{\"Type\":\"a\"}{\"Type\":\"b\"}\n",
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int wrong = 0;
		for (size_t step = 1; step <= strlen(good[i].text); step++) {
			struct event_reader r = {0};
			*seen = '\0';
			wrong += feed(&r, good[i].text, strlen(good[i].text), step) < 0 || strcmp(seen, SEEN) != 0;
			event_reader_free(&r);
		}
		is_number(wrong, 0, good[i].name);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct event_reader r = {0};
		*seen = '\0';
		ok(fails_with(feed(&r, bad[i], strlen(bad[i]), 5), EBADMSG) && !*seen, "no event: %.*s",
		   (int)strlen(bad[i]) - 1, bad[i]);
		event_reader_free(&r);
	}
	struct event_reader r = {0};
	char *big = malloc(EVENT_MAX + 2);
	memset(big, 'x', EVENT_MAX + 1);
	*seen = '\0';
	ok(feed(&r, big, EVENT_MAX + 1, 1000) == 0 && !*seen, "a record above 1 MiB is not kept");
	ok(feed(&r, THREE("\n", ""), strlen(THREE("\n", "")), 7) == 0, "what follows is");
	is(seen, "lost;network connect 13cd 168c tslink;container die 876c 876c ;", "and it is told that one is lost");
	free(big);
	event_reader_free(&r);
}

/* Works the stream as a program does, until it ends or `until` was seen, with a deadline. */
static int follow(struct engine_events *s, const char *until)
{
	int64_t end = soon();
	while (now_ms() < end) {
		int64_t due = engine_events_due(s);
		struct pollfd fd = {.fd = engine_events_fd(s), .events = POLLIN};
		if (poll(&fd, 1, deadline_left(due < end ? due : end)) < 0)
			return -1;
		if (engine_events_work(s, &why) < 0)
			return -1;
		if (until && strstr(seen, until))
			return 0;
	}
	abort();
}

static const struct engine_events_calls calls = {note_connected, note_event, NULL};

static int events_with(enum manner manner, int status, const char *body, size_t step, int64_t deadline)
{
	const struct route routes[] = {{"GET /events?", manner, status, body, step}, {0}};
	struct engine *e = start(routes);
	*seen = '\0';
	connections = 0;
	struct engine_events *s = engine_events_open(e, "{\"type\":[\"network\"]}", &calls, deadline, &why);
	int result = follow(s, NULL);
	int saved = errno;
	ok(engine_events_work(s, NULL) == -1, "what has ended stays so");
	engine_events_close(s);
	stop(e);
	errno = saved;
	return result;
}

static void streams(void)
{
	static const char stream[] = THREE("", "\n");
	static const size_t steps[] = {1, 2, 7, 100, 5000};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		ok(fails_with(events_with(CHUNKED, 200, stream, steps[i], NEVER), ECONNRESET),
		   "a stream in chunks of %zu", steps[i]);
		ok(!strcmp(seen, SEEN) && connections == 1, "all of it was seen, and the connection once");
	}
	ok(strstr(fake.requests, "GET /events?since=") &&
	           strstr(fake.requests, "&filters=%7B%22type%22%3A%5B%22network%22%5D%7D "),
	   "the filter and the time");
	ok(fails_with(events_with(RAW, 200, "HTTP/1.0 200 OK\r\n\r\n" THREE("", "\n"), 0, NEVER), ECONNRESET) &&
	           !strcmp(seen, SEEN),
	   "a stream of HTTP/1.0");
	ok(fails_with(events_with(RAW, 200, "HTTP/1.1 103 Wait\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 0, NEVER),
	              ECONNRESET) &&
	           connections == 1,
	   "a head before the head");
	ok(fails_with(events_with(WHOLE, 200, "{\"Type\":\"network\"}\nrubbish\n", 0, NEVER), EBADMSG),
	   "rubbish in the stream");
	is(seen, "network    ;", "what came before it was seen");
	ok(fails_with(events_with(WHOLE, 200, "{\"Type\":\"netw", 0, NEVER), ECONNRESET) && !*seen,
	   "half an event is none");
	ok(fails_with(events_with(WHOLE, 400, "{\"message\":\"invalid filter\"}", 0, NEVER), EPROTO) && !connections,
	   "a filter that Docker refuses");
	ok(fails_with(events_with(WHOLE, 404, "x", 0, NEVER), EPROTO) && !connections, "no stream there");
	ok(fails_with(events_with(RAW, 200, "", 0, NEVER), ECONNRESET) && !connections, "an engine that ends at once");
	ok(fails_with(events_with(SILENT, 200, "", 0, deadline_in(200)), ETIMEDOUT) && !connections,
	   "an engine that never answers");
}

/* An event that was seen while the stream goes on, calls within the callback, and closing a stream that stands. */
static void call_within(void *arg)
{
	connections++;
	if (engine_ping(arg, soon(), &why) < 0)
		connections = -100;
}

static void standing(void)
{
	const struct route routes[] = {{"GET /events?", STALLED, 200, THREE("", "\n") THREE("", "\n"), 0}, {0}};
	struct engine *e = start(routes);
	*seen = '\0';
	connections = 0;
	struct engine_events *s = engine_events_open(e, NULL, &calls, deadline_in(5000), &why);
	is_number(follow(s, SEEN), 0, "events come while the stream stands");
	is_number(connections, 1, "it was connected");
	int64_t end = soon();
	while (engine_events_due(s) != NEVER && now_ms() < end) { /* libcurl's timer for a second address: 200 ms */
		poll(NULL, 0, deadline_left(engine_events_due(s)));
		if (engine_events_work(s, &why) < 0)
			break;
	}
	is_number(engine_events_due(s), NEVER, "then there is nothing to do until more comes");
	engine_events_close(s);
	stop(e);

	e = engine_open("unix:///tmp/tslink-engine/no/such/socket", &why);
	s = engine_events_open(e, NULL, &calls, NEVER, &why);
	ok(fails_with(follow(s, NULL), ECONNREFUSED), "no socket");
	engine_events_close(s);
	engine_close(e);

	/* the fake serves one connection after the other: it has sent the whole stream when it takes the call */
	const struct route both[] = {
		{"GET /events?", WHOLE, 200, THREE("", "\n"), 0}, {"GET /_ping", WHOLE, 200, "OK", 0}, {0}};
	e = start(both);
	connections = 0;
	const struct engine_events_calls within = {call_within, note_event, e};
	s = engine_events_open(e, NULL, &within, NEVER, &why);
	ok(fails_with(follow(s, NULL), ECONNRESET), "a stream with a call in its callback");
	is_number(connections, 1, "the call was answered");
	engine_events_close(s);
	stop(e);
}

int main(void)
{
	good_answers(WHOLE, 0);
	good_answers(CHUNKED, 1);
	good_answers(CHUNKED, 100);
	many_ids();
	bad_answers();
	deadlines();
	hosts();
	records();
	streams();
	standing();
	return tap_done();
}
