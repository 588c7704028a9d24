#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# options: the command line as a user meets it: exit codes, one clear line on stderr for bad input,
# a clean stdout, the environment, signals, and places that cannot be written. Every test works in
# a folder of its own, so that results/runs is empty at its start.
#
# labels: cli slow-sanitizers

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || exit
    racebench=${RACEBENCH_BINARY:?}
    # with time between reading and writing: however busy the machine is, workers meet
    quick=(-w 4 -n 200 --work 200us --timeout 10s)
}

# refuses CODE LINE ARGUMENT...: ends with CODE, nothing on stdout, LINE in one line on stderr.
refuses() {
    local code=$1 line=$2
    shift 2
    run --separate-stderr "-$code" "$racebench" "$@"
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "racebench: "* ]]
    [[ $stderr == *"$line"* ]]
    [ ! -e results/runs/latest ]
}

# serve ARGUMENT...: starts an engine and sets server, socket_uri and tcp_uri.
serve() {
    "$racebench" serve "$@" >serve.out 2>serve.err 3>&- &
    server=$!
    for _ in {1..1200}; do
        [ "$(wc -l <serve.out)" -ge 2 ] && break
        sleep 0.05
    done
    { read -r socket_uri && read -r tcp_uri; } <serve.out
}

teardown() {
    if [ -n "${server:-}" ]; then kill "$server" 2>/dev/null || true; fi
}

# Help ------------------------------------------------------------------------------------------

@test "help and version go to stdout and are no error" {
    for arguments in --help -h help "help run" "run --help" "help exit-codes" "help occ" \
        "help counter" "serve --help" --version -V; do
        # shellcheck disable=SC2086
        run --separate-stderr -0 "$racebench" $arguments
        [ -n "$output" ]
        [ -z "$stderr" ]
    done
    run -0 "$racebench" --version
    [[ ${lines[0]} =~ ^racebench\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    run -0 "$racebench" --help
    [[ $output == *"--workers="* && $output == *"143  terminated"* ]]
    refuses 64 "no help for 'exit-code'; did you mean 'exit-codes'?" help exit-code
    refuses 64 "no help for 'zebra'; there is some for" help zebra
}

@test "list names everything, as text and as JSON" {
    run --separate-stderr -0 "$racebench" list
    for word in naive occ counter instances junit completion; do
        [[ $output == *"$word"* ]]
    done
    run --separate-stderr -0 "$racebench" list strategies
    [[ $output != *counter* ]]
    run --separate-stderr -0 "$racebench" list --json
    jq -e '.strategies | map(.name) | index("occ")' <<<"$output"
    jq -e '.strategies[] | select(.name == "naive") | .keeps.lost == []' <<<"$output"
    jq -e '.options[] | select(.name == "workers") | .environment == "RACEBENCH_WORKERS"' \
        <<<"$output"
    jq -e '.options[] | select(.name == "uri") | has("environment") | not' <<<"$output"
    refuses 64 "did you mean 'strategies'?" list strategy
}

@test "completion is text that the shell takes" {
    "$racebench" completion bash >complete.bash
    bash -n complete.bash
    run -0 bash -c 'source complete.bash; COMP_WORDS=(racebench --strategy oc); COMP_CWORD=2
        _racebench; echo "${COMPREPLY[@]}"'
    [[ " $output " == *" occ "* ]]
    run -0 bash -c 'source complete.bash; COMP_WORDS=(racebench se); COMP_CWORD=1
        _racebench; echo "${COMPREPLY[@]}"'
    [ "$output" = serve ]
    refuses 64 "completion is for bash or zsh" completion fish
    refuses 64 "completion is for bash or zsh" completion
}

# Bad input -------------------------------------------------------------------------------------

@test "what is unknown gets a suggestion" {
    refuses 64 "unknown option '--worker'; did you mean '--workers'?" --worker 3
    refuses 64 "unknown option '--strat'; did you mean '--strategy'?" --strat=occ
    refuses 64 "unknown strategy 'oc'; did you mean 'occ'?" -s oc
    refuses 64 "unknown scenario 'conter'; did you mean 'counter'?" -S conter
    refuses 64 "unknown verb 'runn'; did you mean 'run'?" runn
    refuses 64 "unknown verb 'occ'; did you mean '--strategy occ'?" occ
    refuses 64 "unknown kind of report 'jsn'; did you mean 'json'?" -o jsn=x
    refuses 64 "unknown verb 'zebra'" zebra
    refuses 64 "unexpected argument 'serve'; a verb comes first" -w 3 serve
    refuses 64 "unexpected argument 'x'" run x
}

@test "numbers out of range" {
    refuses 64 "--workers '0': must be from 1 to 100,000" -w 0
    refuses 64 "--workers '10000000': must be" -w 10000000
    refuses 64 "--workers '10,000,000': commas make a list here" --workers 10,000,000
    refuses 64 "--workers '-1': not a whole number" -w -1
    refuses 64 "--workers 20,000: at most 10,000 with --transport driver" -w 20k -n 1M
    refuses 64 "--ops 9 is less than --workers 10" -n 9 -w 10
    refuses 64 "--instances 5 is more than --workers 4" "${quick[@]}" --instances 5
    refuses 64 "--lease '30': needs a unit" --lease 30
    refuses 64 "--port '70000': must be" serve --port 70000
    refuses 64 "option '--workers' is not for 'serve'" serve --workers 3
}

@test "a connection string that makes no sense" {
    refuses 64 "must begin with mongodb://" --uri localhost
    refuses 64 "mongodb://***" --uri "mongodb://me:h8nter2/x@host"
    refuses 64 "not host or host:port" --uri mongodb://host:port
    refuses 64 "no such environment variable" --uri env:NOT_THERE
    refuses 64 "--transport direct calls" --uri mongodb://localhost --transport direct
}

@test "a password is never printed, nor written down" {
    local secret=h8nter2 line
    local -a lines=(
        "--uri mongodb://me:$secret@127.0.0.1:1/?serverSelectionTimeoutMS=200"
        "-v --uri mongodb://me:$secret@127.0.0.1:1/?serverSelectionTimeoutMS=200"
        "--uri mongodb://me:$secret@/x@y"
        "--uri me:$secret@host"
        "--url mongodb://me:$secret@host"
        "--uri mongodb://127.0.0.1:1/?tlsCertificateKeyFilePassword=$secret"
        "mongodb://me:$secret@host"
        "-s mongodb://me:$secret@host"
        "-o mongodb://me:$secret@host"
        "--database me:$secret@host"
        "show mongodb://me:$secret@host"
        "help mongodb://me:$secret@host"
        "list mongodb://me:$secret@host"
    )
    for line in "${lines[@]}"; do
        # shellcheck disable=SC2086
        run "$racebench" $line -q
        [ "$status" -ne 0 ]
        [[ $output != *"$secret"* ]]
    done
    serve
    local uri=${tcp_uri/mongodb:\/\//mongodb://me:$secret@}
    run "$racebench" --uri "$uri" -v -s occ "${quick[@]}" # the engine knows no users: refused
    [[ $output != *"$secret"* && $output == *"use --uri env:NAME"* ]]
    DB=$uri run "$racebench" --uri env:DB -v -s occ "${quick[@]}"
    [[ $output != *"$secret"* && $output != *"use --uri env:NAME"* ]]
    uri="$tcp_uri?appName=x&tlsCertificateKeyFilePassword=$secret&tls=false"
    run "$racebench" --uri "$uri" -s occ "${quick[@]}"
    [[ $output != *"$secret"* ]]
    run -0 "$racebench" --uri "$tcp_uri?appName=x" -s occ "${quick[@]}"
    run ! grep -rF "$secret" .
}

# Runs ------------------------------------------------------------------------------------------

@test "exit codes: held 0, broken 1, as claimed 0, one worker proves nothing 2" {
    run -0 "$racebench" -s occ "${quick[@]}"
    run -1 "$racebench" -s naive -w 16 -n 2000 --seed 1
    run -0 "$racebench" -s naive -w 16 -n 2000 --seed 1 --expect claims
    run -0 "$racebench" -s naive -w 16 -n 2000 --seed 1 --expect none
    run -2 "$racebench" -s occ -w 1 -n 100
    run -1 "$racebench" -s occ,naive -w 16 -n 2000 # one broken cell decides
}

@test "without arguments: all strategies, as claimed" {
    RACEBENCH_OPS=3200 run --separate-stderr "$racebench"
    [ "$status" = 0 ] || [ "$status" = 2 ] # 2: chance, file_naive may happen to lose nothing
    [[ $output == *naive* && $output == *occ* && $output == *file_lock* ]]
    jq -e '.cells | all(.workers == 32 and .settings.expect == "claims")' \
        results/runs/latest/result.json
    RACEBENCH_OPS=3200 RACEBENCH_STRATEGY=naive,occ,inc run -0 "$racebench"
}

@test "the seed is printed and repeats" {
    run --separate-stderr -0 "$racebench" -s occ "${quick[@]}" -q
    [[ $stderr =~ seed\ [0-9]+ ]]
    run --separate-stderr -0 "$racebench" -s occ "${quick[@]}" --seed 4711
    [[ $stderr == *"seed 4711"* && $output == *"--seed 4711"* ]]
}

@test "--json is JSON and nothing else on stdout" {
    run --separate-stderr -1 "$racebench" -s naive,occ -w 16 -n 2000 --json
    jq -e '.schema == "racebench.result/1" and (.cells | length) == 2 and .exit_code == 1' \
        <<<"$output"
    [[ $stderr != *'{'* ]]
    run --separate-stderr -0 "$racebench" -s occ "${quick[@]}" -o json=- -o hgrm=here.hgrm
    jq -e . <<<"$output"
    grep -q Percentile here.hgrm
    rm -r results
    refuses 64 "only one report can go to stdout" -o json=- -o hgrm=-
}

@test "the environment: below flags, above defaults, and named when wrong" {
    RACEBENCH_STRATEGY=occ RACEBENCH_OPS=300 RACEBENCH_WORKERS=3 \
        run --separate-stderr -0 "$racebench" --json -n 200 --work 200us
    jq -e '.cells[0] | .strategy == "occ" and .workers == 3 and .ops == 200' <<<"$output"
    jq -e '.strategy.from == "environment" and .ops.from == "flag" and .docs.from == "default"' \
        results/runs/latest/options.json
    rm -r results
    RACEBENCH_WORKERS=many refuses 64 "RACEBENCH_WORKERS 'many': not a whole number" -q
    RACEBENCH_COLOR=blue refuses 64 "RACEBENCH_COLOR 'blue': must be auto, always or never" -q
    # never picked up silently
    RACEBENCH_URI=mongodb://127.0.0.1:1 run -0 "$racebench" -s occ "${quick[@]}"
}

@test "colours: on a terminal, not with NO_COLOR unless it is empty, and as told" {
    local escape=$'\033['
    run "$racebench" -s occ "${quick[@]}"
    [[ $output != *"$escape"* ]]
    NO_COLOR=1 run "$racebench" -s occ "${quick[@]}" --color always
    [[ $output == *"$escape"*m* ]]
    if command -v script >/dev/null; then
        local command="TERM=xterm $racebench -s occ ${quick[*]} --progress none"
        run script -qec "NO_COLOR= $command" /dev/null
        [[ $output == *"$escape"*m* ]]
        run script -qec "NO_COLOR=1 $command" /dev/null
        [[ $output != *"$escape"* ]]
        run script -qec "NO_COLOR= $command --color never" /dev/null
        [[ $output != *"$escape"* ]]
        run script -qec "NO_COLOR= TERM=dumb $racebench -s occ ${quick[*]}" /dev/null
        [[ $output != *"$escape"* ]]
    fi
}

@test "combinations that cannot work" {
    refuses 64 "one keeps its documents in files" -s occ+file_lock
    refuses 64 "cannot do scenario 'counter'" -s occ+file_lock -S counter
    refuses 64 "belongs to MongoDB" --database admin
    run --separate-stderr -0 "$racebench" -s occ+file_lock,occ "${quick[@]}"
    [[ $stderr == *"left out: strategy 'occ+file_lock' cannot do scenario 'counter'"* ]]
}

# Signals ---------------------------------------------------------------------------------------

# interrupt SIGNAL ARGUMENT...: starts a long run, signals it when it works and sets status.
interrupt() {
    local signal=$1
    shift
    "$racebench" "$@" --progress bar >out 2>err 3>&- &
    local child=$!
    for _ in {1..1200}; do
        grep -q " [1-9][^ ]* ops/s" err && break
        sleep 0.05
    done
    kill "-$signal" "$child"
    status=0
    wait "$child" || status=$?
}

@test "SIGINT and SIGTERM end cleanly with partial results that say so" {
    interrupt INT -s occ -w 4 -d 10m --json
    [ "$status" = 130 ]
    jq -e '.interrupted and .exit_code == 130 and (.cells | length) == 1' out
    jq -e '.cells[0] | .counts.acked > 0 and .counts.lost == 0 and .verdict == "unknown"' out
    jq -e .interrupted results/runs/latest/result.json
    interrupt TERM -s occ,inc -w 4 -d 10m --json
    [ "$status" = 143 ]
    jq -e '.interrupted and .exit_code == 143 and (.cells | length) == 1' out
    run -0 "$racebench" show
    [[ $output == *"partial"* ]]
}

@test "interrupted under --transport direct as well" {
    interrupt INT -s occ -w 4 -d 10m --json --transport direct
    [ "$status" = 130 ]
    jq -e '.interrupted and .cells[0].counts.acked > 0' out
}

# Places ----------------------------------------------------------------------------------------

@test "a server that is down: 69 long before libmongoc gives up, and nothing left behind" {
    local start=$SECONDS
    refuses_down() {
        run --separate-stderr -69 timeout 60 "$racebench" --uri "$1" -s occ "${quick[@]}" -q
        [ -z "$output" ]
        [[ ${stderr_lines[-1]} == "racebench: "* ]]
    }
    refuses_down mongodb://127.0.0.1:1/
    refuses_down mongodb://%2Ftmp%2Fracebench-nobody.sock
    [ $((SECONDS - start)) -lt 30 ] # libmongoc would wait for half a minute, each time
    [ -z "$(ls results/runs)" ]
}

@test "results that cannot be written: 74" {
    touch file
    refuses 74 "cannot" -s occ "${quick[@]}" --results file/runs
    refuses 74 "cannot" -s occ "${quick[@]}" --results /proc/runs
    refuses 74 "--out: cannot write none/x: No such file or directory" -s occ -o json=none/x
    run -74 bash -c "'$racebench' -s occ ${quick[*]} 2>err >/dev/full"
    grep -q "stdout: No space left on device" err
    run -74 bash -c "'$racebench' -s occ ${quick[*]} --json 2>err >/dev/full"
    run -74 bash -c "'$racebench' -s occ ${quick[*]} -o json=/dev/full 2>err"
    grep -q "/dev/full: No space left on device" err
    [ -e results/runs/latest/result.json ] # the run's own folder comes first
    run -74 bash -c "'$racebench' list >/dev/full"
    run -74 bash -c "'$racebench' --help >/dev/full"
    run -74 bash -c "'$racebench' serve >/dev/full"
}

@test "show: the latest, one by name, and no crash on garbage" {
    refuses 65 "no run in results/runs yet" show
    run -1 "$racebench" -s naive,occ -w 16 -n 2000
    run --separate-stderr -0 "$racebench" show
    [[ $output == *naive* && $output == *"broken: lost-update"* && $output == *held* ]]
    run -0 "$racebench" show -v
    [[ $output == *"is gone"* ]]
    id=$(readlink results/runs/latest)
    run -0 "$racebench" show "$id"
    run -0 "$racebench" show results/runs/latest
    run -0 bash -c "'$racebench' show --json | jq -e .schema"
    run --separate-stderr -65 "$racebench" show nothing-like-it
    [ "${#stderr_lines[@]}" = 1 ]

    result=results/runs/latest/result.json
    size=$(stat -c %s $result)
    for bytes in 0 1 100 $((size / 2)) $((size - 3)); do
        head -c "$bytes" $result >cut.json
        run --separate-stderr -65 "$racebench" show ./cut.json
        [ "${#stderr_lines[@]}" = 1 ]
    done
    head -c 100000 /dev/urandom >noise.json
    run -65 "$racebench" show ./noise.json
    for text in '{}' '[]' '1' '"x"' '{"schema":"racebench.result/2"}' '{"schema":1}' "$(
        printf '[%.0s' {1..20000}
    )" "$(printf '{"a":%.0s' {1..20000})" '{"schema":"racebench.result/1"'; do
        printf %s "$text" >odd.json
        run -65 "$racebench" show ./odd.json
    done
    # the schema is right and all else is not
    for filter in '.cells = 1' '.cells = [1, "x", null, {}]' '.cells[0].counts = []' \
        '.cells[0].workers = 1e300' '.cells[0].latency_ns.p50 = "x"' 'del(.environment)' \
        '.run_id = "\u001b[2J\u0000x"' '.cells[0].witnesses = {"a": 1}' 'map_values(null)'; do
        jq "$filter | .schema = \"racebench.result/1\"" $result >odd.json
        run -0 "$racebench" show -v ./odd.json
        [[ $output != *$'\033'* && $output != *9,223,372,036* ]]
    done
    run -65 "$racebench" show /dev/zero
    run -65 "$racebench" show .
}

# Serve -----------------------------------------------------------------------------------------

@test "serve prints connection strings that work, and nothing else; stderr says what they are" {
    serve
    [ "$(wc -l <serve.out)" = 2 ]
    [[ $socket_uri == mongodb://%2F* && $tcp_uri == mongodb://127.0.0.1:* ]]
    for uri in "$socket_uri" "$tcp_uri"; do
        run --separate-stderr -0 "$racebench" --uri "$uri" -s occ "${quick[@]}" --json
        jq -e --arg uri "$uri" '.cells[0] | .verdict == "held" and .engine.uri == $uri' <<<"$output"
    done
    DB=$tcp_uri run --separate-stderr -0 "$racebench" --uri env:DB -s occ "${quick[@]}"
    folder=$(sed 's|mongodb://||; s|%2F|/|g; s|/[^/]*$||' <<<"$socket_uri")
    [ "$(stat -c %a "$folder")" = 700 ]
    kill -TERM "$server"
    wait "$server"
    [ ! -e "$folder" ]
    [ "$(wc -l <serve.err)" = 2 ]
    grep -q "the first URI is a unix socket.* the second is TCP on 127.0.0.1" serve.err
    grep -q "Ctrl-C or SIGTERM ends it" serve.err
    serve --quiet
    kill -TERM "$server"
    wait "$server"
    [ ! -s serve.err ]
    server=
}

@test "serve: signals, a socket of one's own, other addresses warn" {
    serve --socket own.sock --port 0
    [ -S own.sock ]
    kill -INT "$server"
    wait "$server"
    [ ! -e own.sock ]
    serve --listen 0.0.0.0
    grep -q "warning: --listen 0.0.0.0 lets others in" serve.err
    kill -TERM "$server"
    wait "$server"
    server=
    refuses 64 "too long" serve --socket "/tmp/$(printf 'a%.0s' {1..120}).sock"
    refuses 64 "--socket 'own' must end in .sock" serve --socket own
}

@test "serve --canned answers" {
    serve --canned
    run --separate-stderr timeout 60 "$racebench" --uri "$tcp_uri" -s inc "${quick[@]}" \
        --expect none --json
    jq -e '.cells[0].counts.acked == 200' <<<"$output"
}
