#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# hostile: what the world does to the program: servers that die or are none, descriptors that are
# closed, readers that go away, passwords in the wrong place. Whatever happens, the exit code is a
# documented one, nothing counts as done that was not, and no folder stays behind.
#
# labels: cli slow-sanitizers

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || exit
    racebench=${RACEBENCH_BINARY:?}
    # with time between reading and writing: however busy the machine is, workers meet
    quick=(-w 4 -n 200 --work 200us --timeout 10s)
    mkdir private
    export TMPDIR=$PWD/private
}

teardown() {
    if [ -n "${server:-}" ]; then kill -KILL "$server" 2>/dev/null || true; fi
}

# serve: starts an engine and sets server and uri.
serve() {
    "$racebench" serve -q >serve.out 2>serve.err 3>&- &
    server=$!
    for _ in {1..1200}; do
        [ "$(wc -l <serve.out)" -ge 2 ] && break
        sleep 0.05
    done
    uri=$(tail -n 1 serve.out)
}

# greet BYTES: a server that answers whatever comes with these (printf's form); sets server, uri.
greet() {
    rm -f port
    python3 - "$1" >port 3>&- <<'PYTHON' &
import socket, sys, threading
reply = sys.argv[1].encode().decode("unicode_escape").encode("latin-1")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def answer(client):
    client.recv(4096)
    client.sendall(reply)
    client.recv(4096)
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
PYTHON
    server=$!
    for _ in {1..1200}; do
        [ -s port ] && break
        sleep 0.05
    done
    uri="mongodb://127.0.0.1:$(cat port)/"
}

# died_under OPERATIONS ARGUMENT...: runs against a server that is killed meanwhile, when what the
# bar says of operations a second fits the pattern; sets status.
died_under() {
    local operations=$1
    shift
    serve
    "$racebench" --uri "$uri?serverSelectionTimeoutMS=500" -w 4 -n 100M --json --progress bar \
        "$@" >out.json 2>err 3>&- &
    local child=$!
    for _ in {1..1200}; do
        grep -q " $operations ops/s" err && break
        sleep 0.05
    done
    sleep 1
    kill -KILL "$server"
    status=0
    wait "$child" || status=$?
}

@test "a server that dies: what it did not answer is failed or unknown, and the run ends" {
    died_under '[1-9][^ ]*' -s inc,occ
    [ "$status" = 2 ]
    jq -e '.cells | length == 1' out.json
    jq -e '.cells[0] | .verdict == "unknown" and .reason == "final-unreadable"' out.json
    jq -e '.cells[0].counts | .acked > 0 and .failed > 0' out.json
    grep -q "the target answers no more, or refuses to; database 'racebench_" err
    grep -q "1 of 2 cells did not run" err
    folders=(private/*) # the killed engine's own
    [ "${#folders[@]}" = 1 ]
}

@test "a server that dies: what is not there is not torn, missed or over the limit" {
    for scenario in snapshot cron_tick transfer; do
        died_under '[0-9][^ ]*' -S "$scenario" -s lock_document -d 30s
        [ "$status" = 2 ]
        jq -e '.cells[0] | .verdict == "unknown" and .reason == "final-unreadable"' out.json
    done
}

@test "what is no MongoDB: an exit code that is documented, and a line" {
    for bytes in 'HTTP/1.1 400 Bad Request\r\n\r\n' '\x24\0\0\0\x01\0\0\0' '\0\0\0\0'; do
        greet "$bytes"
        run --separate-stderr -69 timeout 120 "$racebench" --uri "$uri" -s inc "${quick[@]}"
        [ -z "$output" ]
        [[ ${stderr_lines[-1]} == "racebench: no answer from $uri: "* ]]
        kill "$server"
    done
    greet '\xff\xff\xff\xff\xff\xff\xff\xff' # libmongoc gives up over this length
    run --separate-stderr timeout 120 "$racebench" --uri "$uri" -s inc "${quick[@]}"
    [ "$status" = 69 ] || [ "$status" = 70 ]
    [[ ${stderr_lines[-1]} == "racebench: "* ]]
}

@test "nothing stays behind in TMPDIR after an error" {
    run -69 "$racebench" --uri mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100 -s inc
    run -69 "$racebench" serve --listen 192.0.2.1
    run -64 "$racebench" serve --socket "$(printf 'a%.0s' {1..120}).sock"
    run -74 bash -c "'$racebench' serve -q >/dev/full"
    run -74 bash -c "'$racebench' -s occ ${quick[*]} >/dev/full"
    [ -z "$(ls private)" ]
}

@test "closed descriptors: results are not written into somebody's socket" {
    run -74 bash -c "'$racebench' -s occ ${quick[*]} 2>err >&-"
    grep -q "cannot write report 'text' to stdout" err
    run -0 bash -c "'$racebench' -s occ ${quick[*]} 2>&-"
    [[ $output == *"Held: occ"* ]]
    run -0 bash -c "'$racebench' -s occ ${quick[*]} <&-"
    run -74 bash -c "'$racebench' -s occ ${quick[*]} <&- >&- 2>&-"
    run -74 bash -c "'$racebench' -s occ ${quick[*]} --processes 2 <&- >&-"
    run -74 bash -c "'$racebench' serve 2>err >&-"
    run -74 bash -c "'$racebench' list 2>err >&-"
}

@test "a reader that goes away is 74, and no signal" {
    for arguments in list help "explore -s naive" "-s naive ${quick[*]}"; do
        run bash -c "set -o pipefail; { sleep 3; '$racebench' $arguments 2>err; echo \$? >code; } |
            true"
        [ "$(cat code)" = 74 ]
        grep -q "stdout: Broken pipe; what was printed is incomplete" err
    done
}

@test "a password is shown by no error, wherever it was typed" {
    secret="mongodb://user:s3cr3t@m0re@host/db"
    while read -r line; do
        # shellcheck disable=SC2086
        run timeout 120 "$racebench" ${line//URI/$secret}
        [ "$status" -ge 64 ]
        [[ $output != *s3cr3t* && $output != *m0re* ]]
        [[ $output == *"***"* ]]
    done <<'LINES'
URI
show URI
check URI --model register
check none --model URI
explore URI
explore --replay URI
explore --from-run URI
explore --budget URI
help URI
list URI
completion URI
serve --socket URI
serve --dbpath URI/x/y
serve --listen URI
-s inc --out json=URI
-s URI
-w URI
--hazard URI
--backoff URI
LINES
}

@test "a replay takes its settings from the schedule: others are refused, not ignored" {
    printf '# t\ncell: --scenario counter --strategy naive --workers 2\n%s\n' \
        "w0.find w1.find w1.update w0.update" >naive.race
    run -1 "$racebench" explore --replay naive.race
    for more in "-s occ" "-w 3" "--hazard crash" "--lease 1s" "--operations 2"; do
        # shellcheck disable=SC2086
        run --separate-stderr -64 "$racebench" explore --replay naive.race $more
        [ -z "$output" ]
        [[ $stderr == *"a replay takes its settings from the schedule; leave it out" ]]
    done
}

@test "matrix: the first line says whether all is as expected, and what was stopped" {
    "$racebench" matrix --quick >out 2>err 3>&- &
    child=$!
    for _ in {1..1200}; do
        grep -q "racebench: run" err && break
        sleep 0.05
    done
    sleep 0.3
    kill -INT "$child"
    status=0
    wait "$child" || status=$?
    [ "$status" = 130 ]
    [[ $(head -n 1 out) == "Interrupted: these results are partial. "* ]]
    run -1 "$racebench" -s naive,occ "${quick[@]}" -o matrix=-
    [[ ${lines[0]} == *racebench* || ${lines[0]} == "NOT as expected: 1 of 2 cells; "* ]]
    [[ $output == *"NOT as expected: 1 of 2 cells; why, and how to repeat each, is below."* ]]
}

@test "help and lists: lines of at most 100 columns, and what is listed can be asked for" {
    for arguments in list help "help run" "help occ" "help counter" "help pause"; do
        # shellcheck disable=SC2086
        run -0 "$racebench" $arguments
        while IFS= read -r line; do
            [ "${#line}" -le 100 ] || { echo "$arguments: $line" && false; }
        done <<<"$output"
    done
    for hazard in $("$racebench" list --json | jq -r '.hazards[].name'); do
        run -0 "$racebench" help "$hazard"
        [[ $output == "Hazard $hazard: "* ]]
    done
}

@test "completion, the manual page and --help know the same options" {
    command -v help2man >/dev/null || skip "no help2man"
    "$racebench" list --json | jq -r '.options[].name' | sort >options
    "$racebench" help | grep -oE '^ {2,6}(-., *)?--[a-z-]+' |
        sed 's/.*--//' | sort >helped
    diff options helped
    "$racebench" completion bash | sed -n "s/^ *\*) words='\([^']*\)'.*/\1/p" | tr ' ' '\n' |
        sed -n 's/^--//p' | sort >completed
    diff options completed
    "$RACEBENCH_SOURCE/scripts/man" "$racebench" |
        sed -n 's/\\-/-/g; s/^.*\\fB--\([a-z-]*\).*/\1/p' | sort -u >manual
    [ -z "$(comm -23 options manual)" ]
}
