#!/bin/bash
# SPDX-License-Identifier: ISC
#
# tslink-fetch and the service `fetch`, against a release server on loopback that has every fault. What it serves as tailscaled is a stand-in:
# a script that prints its version. Needs root (other uids, mount namespaces); makes no test host.
# shellcheck disable=SC2016,SC2317 # scripts for another shell; test_case calls the functions
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

build=${TSLINK_BUILD:-$TSLINK_TOP}
# Scripts that are installed name the real execlineb, whose programs are not in everybody's PATH.
PATH=${TSLINK_PREFIX:+$TSLINK_PREFIX/sbin:}$build/bin:$build:$PATH:/usr/lib/execline/bin
services=${TSLINK_PREFIX:+$TSLINK_PREFIX/share/tslink/svc}
services=${services:-$TSLINK_TOP/svc}
# the caller's
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY

[ "$(id -u)" = 0 ] || skip_all "needs root"
python3 -c 'import http.server, ssl, tarfile' || skip_all "needs python3 with its standard library"
command -v openssl >/dev/null || skip_all "needs openssl"

dir=$(mktemp -d "${TMPDIR:-/tmp}/tslink-fetch.XXXXXX")
chmod 755 "$dir"
tree=$dir/run
data=$dir/data
cache=$data/tailscale

clean_up() {
	local status=$? file pid
	set +e
	for file in "$dir"/*.pid; do
		[ -e "$file" ] && read -r pid <"$file" && kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$dir"
	(exit "$status")
	test_exit
}
trap clean_up EXIT

# --- the release server: the first part of a path says how it behaves; port and secure port are in $dir/ports ----------------------------

cat >"$dir/server.py" <<'PYTHON'
import hashlib, http.server, io, json, os, platform, ssl, sys, tarfile, threading

home = sys.argv[1]
machine = platform.machine()
arch = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64"}.get(machine, "arm" if machine.startswith("arm") else "386")
newest = {"older": "1.98.10", "old": "1.100.0", "ancient": "1.60.0"}
never = threading.Event()


def script(name, version):
    return f"#!/bin/sh\necho stand-in {name} {version}\n".encode()


def tarball(version, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name.format(top=f"tailscale_{version}_{arch}"))
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def release(mode, version):
    good = [("{top}/tailscale", script("tailscale", version)), ("{top}/tailscaled", script("tailscaled", version)),
            ("{top}/systemd/tailscaled.service", b"[Unit]\n")]
    if mode == "traversal":
        return tarball(version, [("../../evil", b"x"), (home + "/evil", b"x"), ("{top}/../../tailscaled", b"x"), good[0]])
    if mode == "bomb":
        return tarball(version, [good[0], ("{top}/tailscaled", bytes(257 << 20))])
    if mode == "big":
        return tarball(version, [good[0], ("{top}/tailscaled", os.urandom(3 << 20))])
    return tarball(version, good)


releases = {}
lock = threading.Lock()


def release_once(mode, version):
    with lock:
        if (mode, version) not in releases:
            releases[mode, version] = release(mode, version)
        return releases[mode, version]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, body, length=None):
        self.send_response(200)
        if length != -1:
            self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, to):
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        with lock, open(home + "/requests", "a") as log:
            log.write(self.path + "\n")
        path = self.path
        if path.startswith("http://releases.test/"):  # we are a proxy
            path = path[len("http://releases.test"):]
        mode, name = path[1:].split("/", 1)
        index = name.startswith("?")
        if mode == "silent":
            never.wait()
        if mode == "gone":
            return self.send_error(404)
        if mode == "error":
            return self.send_error(503)
        if index and mode == "page":
            return self.answer(b"<html>welcome</html>")
        if index and mode == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b" " * 65536)
        if index:
            version = newest.get(mode, "1.102.3")
            return self.answer(json.dumps({"Version": "1.104.1", "TarballsVersion": version,
                                           "Tarballs": {arch: f"tailscale_{version}_{arch}.tgz"}}).encode())
        if mode == "redirect":
            return self.redirect("/good/" + name)
        if mode == "loop":
            return self.redirect(path)
        if mode == "file":
            return self.redirect("file:///etc/passwd")
        if mode == "downgrade":
            return self.redirect(f"http://127.0.0.1:{plain.server_port}/good/{name}")
        body = release_once(mode, name.split("_")[1])
        if name.endswith(".sha256"):
            digest = hashlib.sha256(body).hexdigest()
            if mode == "wrong":
                digest = digest[::-1]
            return self.answer(b"<html>" if mode == "nodigest" else digest.encode())
        if mode == "truncated":
            return self.answer(body[:-100], len(body))
        if mode == "short":
            return self.answer(body[:-100], -1)
        if mode == "huge":
            return self.answer(body, 1 << 30)
        if mode in ("stalled", "killed"):
            self.answer(body[:100], len(body))
            self.wfile.flush()
            never.wait()
        self.answer(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # clients that hang up


plain = Server(("127.0.0.1", 0), Handler)
secure = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(home + "/cert.pem", home + "/key.pem")
secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=secure.serve_forever, daemon=True).start()
with open(home + "/ports.new", "w") as ports:
    ports.write(f"{plain.server_port} {secure.server_port}\n")
os.rename(home + "/ports.new", home + "/ports")
plain.serve_forever()
PYTHON

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=release-server -addext subjectAltName=IP:127.0.0.1 \
	-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>"$dir/openssl.log" ||
	{ cat "$dir/openssl.log" >&2; exit 1; }
python3 "$dir/server.py" "$dir" </dev/null >"$dir/server.log" 2>&1 &
echo "$!" >"$dir/server.pid"
disown
wait_until 20 test -e "$dir/ports" || { cat "$dir/server.log" >&2; exit 1; }
read -r port secure <"$dir/ports"

# --- words of these cases ------------------------------------------------------------------------------------------------------------------

# settings NAME=VALUE...: nothing but these in $tree/env
settings() {
	local one
	rm -rf "$tree/env"
	mkdir -p "$tree/env"
	echo "$data" >"$tree/env/TS_DATA_DIR"
	for one in "$@"; do
		printf '%s\n' "${one#*=}" >"$tree/env/${one%%=*}"
	done
}

# fresh MODE [VERSION]: an empty cache, and a server of that behaviour
fresh() {
	rm -rf "$tree" "$data"
	settings TS_RELEASE_URL="http://127.0.0.1:$port/$1" ${2:+TS_VERSION="$2"}
}

# behaves MODE [VERSION]: another behaviour, same cache
behaves() { settings TS_RELEASE_URL="http://127.0.0.1:$port/$1" ${2:+TS_VERSION="$2"}; }

# fetches: it succeeds; $said is what it printed
fetches() {
	said=$(tslink-fetch -r "$tree" 2>&1) || check_failed "tslink-fetch ends with $?: $said"
	printf '%s\n' "$said"
}

# fails CODE REGEX
fails() {
	local code=0
	said=$(tslink-fetch -r "$tree" 2>&1) || code=$?
	printf '%s\n' "$said"
	check_eq "$code" "$1" "exit code"
	check_match "$said" "$2"
	check_eq "$(wc -l <<<"$said")" "$(grep -c '^tslink-fetch: ' <<<"$said")" "lines that name the program"
}

# in_use VERSION: published, whole, current
in_use() {
	check_eq "$(readlink "$tree/tailscale")" "$cache/$1"
	check_eq "$("$tree/tailscale/tailscaled")" "stand-in tailscaled $1"
	check_eq "$("$tree/tailscale/tailscale")" "stand-in tailscale $1"
}

# cached NAME...: just these are in the cache
cached() { check_eq "$(find "$cache" -mindepth 1 -maxdepth 1 ! -name .lock -printf '%f\n' | sort | xargs)" "$*" "the cache"; }

nothing_came() {
	cached ""
	check_not test -L "$tree/tailscale"
	check_not test -e "$dir/evil"
}

requests() { if [ -e "$dir/requests" ]; then wc -l <"$dir/requests"; else echo 0; fi; }

# --- getting a release -----------------------------------------------------------------------------------------------------------------------

newest() {
	local began
	fresh good
	began=$(now_ms)
	(umask 077 && tslink-fetch -r "$tree")
	note "first fetch: $(($(now_ms) - began)) ms"
	in_use 1.102.3
	cached 1.102.3 current
	check_eq "$(readlink "$cache/current")" 1.102.3
	check_eq "$(stat -c '%a %U' "$cache" "$cache/1.102.3" "$cache/1.102.3"/* | sort -u)" "755 root" "modes"
	check_eq "$(setpriv --reuid 65534 --regid 65534 --clear-groups "$tree/tailscale/tailscaled")" "stand-in tailscaled 1.102.3" "as nobody"
}

cached_needs_no_network() {
	local before
	fresh good 1.102.3
	fetches
	rm "$tree/tailscale"
	before=$(requests)
	fetches
	in_use 1.102.3
	settings TS_RELEASE_URL=http://127.0.0.1:1/none TS_VERSION=1.102.3
	fetches
	check_eq "$(requests)" "$before" "requests"
}

aliases() {
	local word
	fresh good
	for word in stable latest; do
		behaves good "$word"
		fetches
		in_use 1.102.3
	done
}

previous_is_kept() {
	fresh older
	fetches
	in_use 1.98.10
	behaves old
	fetches
	in_use 1.100.0
	cached 1.100.0 1.98.10 current
	fetches
	cached 1.100.0 1.98.10 current
	behaves good
	fetches
	in_use 1.102.3
	cached 1.100.0 1.102.3 current
	behaves good 1.100.0
	fetches
	in_use 1.100.0
	check_eq "$(readlink "$cache/current")" 1.100.0
}

# A host that boots without its uplink must not wait for the server with a release on its disk.
published_before_asked() {
	local pid
	fresh good
	fetches
	rm "$tree/tailscale"
	behaves silent
	tslink-fetch -r "$tree" &
	pid=$!
	wait_until 5 test -x "$tree/tailscale/tailscaled"
	in_use 1.102.3
	kill "$pid"
}

damaged_is_replaced() {
	fresh good 1.102.3
	fetches
	rm "$cache/1.102.3/tailscale"
	fetches
	in_use 1.102.3
	: >"$cache/1.102.3/tailscaled"
	fetches
	in_use 1.102.3
	chmod 700 "$cache/1.102.3/tailscaled"
	fetches
	in_use 1.102.3
	cached 1.102.3 current
}

redirect_is_followed() {
	fresh redirect
	fetches
	in_use 1.102.3
}

by_proxy() {
	fresh good
	settings TS_RELEASE_URL=http://releases.test/good http_proxy="http://127.0.0.1:$port"
	fetches
	in_use 1.102.3
	check grep -q '^http://releases.test/good/tailscale_1.102.3_' "$dir/requests"
}

two_at_once() {
	local before one two
	fresh big 1.102.3
	before=$(grep -c '^/big/.*tgz$' "$dir/requests" || :)
	tslink-fetch -r "$tree" &
	one=$!
	tslink-fetch -r "$tree" &
	two=$!
	wait "$one"
	wait "$two"
	check_eq "$(($(grep -c '^/big/.*tgz$' "$dir/requests") - before))" 1 "downloads"
	cached 1.102.3 current
}

killed_and_again() {
	local pid
	fresh killed
	tslink-fetch -r "$tree" &
	pid=$!
	wait_until 10 grep -q '^/killed/.*tgz$' "$dir/requests"
	kill -KILL "$pid"
	wait "$pid" || :
	mkdir -p "$cache/.new" "$cache/.old"
	echo x >"$cache/.new/tailscaled"
	behaves good
	fetches
	in_use 1.102.3
	cached 1.102.3 current
}

# --- faults --------------------------------------------------------------------------------------------------------------------------------------

# refused MODE REGEX: with an empty cache it fails and leaves nothing; with another version in the cache it uses that, and says so
refused() {
	local url="http://127.0.0.1:$port/$1"
	fresh "$1"
	fails 111 "$2"
	check_match "$said" "$url"
	check_match "$said" "set TS_PATH to a directory that holds tailscaled"
	nothing_came
	behaves older
	fetches
	behaves "$1"
	fetches
	check_match "$said" "warning: .*$2.*; Tailscale 1.98.10 of the cache is used"
	in_use 1.98.10
	cached 1.98.10 current
}

unreachable() {
	fresh none
	settings TS_RELEASE_URL=http://127.0.0.1:1/none
	fails 111 "cannot get http://127.0.0.1:1/none/.*Failed to connect.*set TS_PATH"
	nothing_came
	settings TS_RELEASE_URL=http://no-such-host.invalid
	fails 111 "Could not resolve host"
}

exact_not_there() {
	fresh gone 1.101.99
	fails 111 "tailscale_1.101.99_.*404"
	nothing_came
	behaves old
	fetches
	behaves gone 1.101.99
	fetches
	check_match "$said" "404; Tailscale 1.100.0 of the cache is used"
	in_use 1.100.0
}

disk_full() {
	local code=0
	fresh big
	mkdir -p "$data"
	said=$(unshare --mount sh -c 'mount -t tmpfs -o size=1m tslink-test "$1" && { tslink-fetch -r "$2"; code=$?; ls -A "$1/tailscale"; exit $code; }' \
		sh "$data" "$tree" 2>&1) || code=$?
	printf '%s\n' "$said"
	check_eq "$code" 111
	check_match "$said" "No space left on device"
	check_match "$said" $'\n'".lock$" "what is left"
}

# with_ca COMMAND...: where the server's certificate is the only one that is trusted
with_ca() { unshare --mount sh -c 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"' "$dir/cert.pem" "$@"; }

over_https() {
	local code=0
	fresh good
	settings TS_RELEASE_URL="https://127.0.0.1:$secure/good"
	fails 111 "certificate"
	nothing_came
	said=$(with_ca tslink-fetch -r "$tree" 2>&1) || check_failed "$said"
	in_use 1.102.3
	fresh good
	settings TS_RELEASE_URL="https://127.0.0.1:$secure/downgrade"
	said=$(with_ca tslink-fetch -r "$tree" 2>&1) || code=$?
	printf '%s\n' "$said"
	check_eq "$code" 111
	check_match "$said" "Protocol .*http.* not supported or disabled"
	nothing_came
}

# Started with the script, since it takes its half minute.
start_silent() {
	mkdir -p "$dir/silent/env" "$dir/stalled/env"
	local mode
	for mode in silent stalled; do
		echo "http://127.0.0.1:$port/$mode" >"$dir/$mode/env/TS_RELEASE_URL"
		echo "$dir/$mode/data" >"$dir/$mode/env/TS_DATA_DIR"
		(
			code=0
			began=$(now_ms)
			tslink-fetch -r "$dir/$mode" >"$dir/$mode/said" 2>&1 || code=$?
			echo "$code $(($(now_ms) - began))" >"$dir/$mode/result.new"
			mv "$dir/$mode/result.new" "$dir/$mode/result"
		) &
		echo "$!" >"$dir/$mode.pid"
		disown
	done
}

gives_up() {
	local code ms
	wait_until 60 test -e "$dir/$1/result"
	read -r code ms <"$dir/$1/result"
	note "$1: $ms ms; $(<"$dir/$1/said")"
	check_eq "$code" 111
	check [ "$ms" -ge 29000 ]
	check [ "$ms" -lt 45000 ]
	check_match "$(<"$dir/$1/said")" "too slow"
}

# --- settings ---------------------------------------------------------------------------------------------------------------------------------------

operators_release() {
	local before own=$dir/own
	before=$(requests)
	mkdir -p "$own"
	printf '#!/bin/sh\necho own\n' >"$own/tailscaled"
	chmod 755 "$own/tailscaled"
	fresh good
	settings TS_PATH="$own"
	fetches
	check_eq "$(readlink "$tree/tailscale")" "$own"
	check_eq "$("$tree/tailscale/tailscaled")" own
	check_not test -e "$cache"
	settings TS_PATH="$own/tailscaled"
	fetches
	check_eq "$(readlink "$tree/tailscale")" "$own"
	settings TS_PATH="$dir/nowhere"
	fails 111 "TS_PATH: $dir/nowhere: No such file or directory; it must be a directory that holds tailscaled, or unset"
	settings TS_PATH=own
	fails 100 "TS_PATH: \"own\" is not an absolute path"
	chmod 700 "$own/tailscaled"
	settings TS_PATH="$own"
	fails 111 "everybody may execute"
	check_eq "$(readlink "$tree/tailscale")" "$own" "what was published before"
	check_eq "$(requests)" "$before" "requests"
}

wrong_settings() {
	local before said
	before=$(requests)
	fresh good banana
	fails 100 'TS_VERSION: "banana" is no version'
	fresh good 1.60.0
	fails 100 "TS_VERSION: Tailscale 1.60.0 is too old: .*1.80.0"
	fresh good ../../1.102.3
	fails 100 "TS_VERSION"
	fresh good
	settings TS_RELEASE_URL=ftp://127.0.0.1/x
	fails 100 "TS_RELEASE_URL: .*https://"
	settings TS_RELEASE_URL=https://me:sesame@127.0.0.1/x
	fails 100 "TS_RELEASE_URL: .*(user name|password)"
	check_not grep -q sesame <<<"$said"
	settings TS_DATA_DIR=data
	fails 100 "TS_DATA_DIR: .*absolute"
	rm "$tree/env/TS_DATA_DIR"
	fails 111 "TS_DATA_DIR is not set.*tslink-init"
	rm -rf "$tree"
	fails 111 "no run directory $tree.*tslink-init"
	check_eq "$(requests)" "$before" "requests"
	said=$(tslink-fetch -x 2>&1) || check_eq "$?" 100
	check_match "$said" "usage: tslink-fetch"
	said=$(tslink-fetch more 2>&1) || check_eq "$?" 100
	check_match "$said" "usage: tslink-fetch"
}

# --- the service ------------------------------------------------------------------------------------------------------------------------------------

# service_start: the service under an s6-svscan, as the tree has it
service_start() {
	mkdir -p "$tree/service"
	cp -R "$services/fetch" "$tree/service/fetch"
	setsid s6-svscan "$tree/service" </dev/null >"$dir/svscan.log" 2>&1 &
	echo "$!" >"$dir/svscan.pid"
	disown
	wait_until 10 s6-svok "$tree/service/fetch"
}

service_stop() {
	s6-svscanctl -t "$tree/service"
	wait_until 10 gone "$(<"$dir/svscan.pid")"
	rm "$dir/svscan.pid"
}

# service_is FIELDS VALUES
service_is() { [ "$(s6-svstat -o "$1" "$tree/service/fetch")" = "$2" ]; }

backs_off() { [ "$(cat "$tree/service/fetch/data/backoff" 2>/dev/null)" = "$1" ]; }

logged() { grep -q "$1" "$tree/service/fetch/log/main/current" 2>/dev/null; }

as_a_service() {
	local fetch=$tree/service/fetch
	fresh good
	service_start
	check s6-svwait -U -t 10000 "$fetch"
	in_use 1.102.3
	check service_is up,ready "true true"
	check_not test -e "$fetch/data/error"
	wait_until 5 logged "Tailscale 1.102.3 is used"
	check grep -q "tslink-fetch: Tailscale 1.102.3 is used" "$dir/svscan.log"
	# a signal is the wish for a newer one
	behaves good 1.100.0
	s6-svc -wR -T 5000 -r "$fetch"
	check s6-svwait -U -t 10000 "$fetch"
	in_use 1.100.0
	service_stop
}

service_backs_off() {
	local fetch=$tree/service/fetch began
	fresh gone
	service_start
	wait_until 10 backs_off 2
	check_match "$(<"$fetch/data/error")" "cannot get http://127.0.0.1:$port/gone/.*404; .*TS_PATH"
	check service_is up,ready "true false"
	check logged "next try in 1 s"
	# a long wait is cut short by whoever does not want to wait
	echo 299 >"$fetch/data/backoff"
	s6-svc -r "$fetch"
	wait_until 10 backs_off 300
	check service_is up "true"
	began=$(now_ms)
	check s6-svc -wD -T 3000 -d "$fetch"
	note "down after $(($(now_ms) - began)) ms of a wait of 300 s"
	behaves good
	s6-svc -u "$fetch"
	check s6-svwait -U -t 10000 "$fetch"
	in_use 1.102.3
	check_not test -e "$fetch/data/error"
	check_not test -e "$fetch/data/backoff"
	service_stop
}

service_gives_up() {
	local fetch=$tree/service/fetch
	fresh good banana
	service_start
	wait_until 10 service_is up,wantedup,normallyup,exitcode "false false true 100"
	check_match "$(<"$fetch/data/error")" "banana"
	behaves good
	s6-svc -u "$fetch"
	check s6-svwait -U -t 10000 "$fetch"
	in_use 1.102.3
	service_stop
}

supervised_by_nobody() {
	local code=0
	fresh good
	said=$(tslink-fetch -s -r "$tree" 3>&- 2>&1) || code=$?
	check_eq "$code" 100
	check_match "$said" "descriptor 3: -s is for s6-supervise"
}

start_silent
test_case "the newest release" newest
test_case "a cached version needs no network" cached_needs_no_network
test_case "words for the newest" aliases
test_case "the previous release is kept, older ones are not" previous_is_kept
test_case "a cached release is published before the server is asked" published_before_asked
test_case "a damaged release is got again" damaged_is_replaced
test_case "a redirect is followed" redirect_is_followed
test_case "a proxy from the settings" by_proxy
test_case "two at once get one" two_at_once
test_case "killed half-way, and again" killed_and_again
test_case "no server" unreachable
test_case "a version that is not there" exact_not_there
test_case "not found" refused gone 404
test_case "a server in trouble" refused error 503
test_case "a page where the index should be" refused page "not an index"
test_case "an index that never ends" refused endless "larger than 1048576 bytes"
test_case "an index of an old world" refused ancient "too old"
test_case "a download that breaks off" refused truncated "transfer closed"
test_case "a download that is short and does not say so" refused short "SHA-256"
test_case "a wrong SHA-256" refused wrong "does not have the SHA-256"
test_case "no SHA-256" refused nodigest "is no SHA-256"
test_case "a tarball of a gigabyte" refused huge "larger than 268435456 bytes"
test_case "a program of 257 MB in a small tarball" refused bomb "size"
test_case "paths out of the tarball" refused traversal "missing in it"
test_case "redirects without end" refused loop "redirects"
test_case "a redirect to a file" refused file "[Pp]rotocol"
test_case "a full disk" disk_full
test_case "https" over_https
test_case "the operator's own release" operators_release
test_case "wrong settings" wrong_settings
test_case "as a service" as_a_service
test_case "a service that cannot get it backs off" service_backs_off
test_case "a service with a wrong setting stays down" service_gives_up
test_case "supervised by nobody" supervised_by_nobody
test_case "a server that never answers" gives_up silent
test_case "a server that stops half-way" gives_up stalled
finish
