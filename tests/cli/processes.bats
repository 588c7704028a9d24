#!/usr/bin/env bats
# processes: workers in operating-system processes: verdicts, real kills and stops, and every way in
# which a process can fail without anybody being told "held".
# labels: cli engine slow

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

racebench() {
    timeout 120 "$RACEBENCH_BINARY" -w 8 -n 800 --processes 2 --results runs --progress none "$@"
}

# wait_for TEXT...: until the command says so, at most 60 s.
wait_for() {
    for _ in $(seq 600); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}

children() {
    mapfile -t children < <(pgrep -P "$1")
    [ "${#children[@]}" -eq 2 ]
}

all_gone() {
    local pid
    for pid in "$@"; do
        # a zombie that nobody has waited for yet is gone as well
        [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" && return 1
    done
    return 0
}

# Has the run that start() has begun done something?
settled() {
    grep -q ' [1-9][^ ]* ops/s' err.txt
}

# A run that lasts until somebody ends it.
start() {
    "$RACEBENCH_BINARY" -s occ -w 4 --duration 10m --processes 2 --results runs --progress bar \
        "$@" >out.txt 2>err.txt 3>&- &
    parent=$!
    wait_for children "$parent"
    wait_for working
}

# Both have the parent's pipes open and threads that work.
working() {
    local pid
    for pid in "${children[@]}"; do
        [ -e "/proc/$pid/fd/4" ] && grep -q '^Threads:.[3-9]' "/proc/$pid/status" || return 1
    done
}

@test "at two processes these hold" {
    for strategy in occ inc lock_document file_lock; do
        run racebench -s "$strategy" --expect claims
        echo "$output"
        [ "$status" -eq 0 ]
        [[ $output == *"800/800"*held* ]]
        [[ $output == *"processes struck 2 times"* ]]
    done
}

@test "at two processes these lose updates" {
    for strategy in naive live_object file_naive; do
        run racebench -s "$strategy" -n 8000
        echo "$output"
        [ "$status" -eq 1 ]
        [[ $output == *"loses updates"* ]]
    done
}

@test "a process is killed in the middle of its work and replaced" {
    for strategy in file_lock occ inc lock_document; do
        run racebench -s "$strategy" --hazard crash:times=4 --seed 5 --out "json=$strategy.json"
        echo "$output"
        [ "$status" -eq 0 ]
        [[ $output == *"crash struck 4 times"* ]]
        run jq -e '.cells[0] | .counts.unknown > 0
                   and .counts.final >= .counts.expected_min
                   and .counts.final <= .counts.expected_max' "$strategy.json"
        [ "$status" -eq 0 ] || { jq '.cells[0].counts' "$strategy.json"; return 1; }
    done
    run racebench -s naive --hazard crash:times=4
    [ "$status" -eq 1 ]
}

@test "every operation of a killed process is in the history once" {
    run racebench -s occ --hazard crash:times=6 --seed 11
    [ "$status" -eq 0 ]
    [ "$(grep -c '"type":"invoke"' runs/latest/history.jsonl)" -eq 800 ]
}

@test "a process is stopped past its lease" {
    run racebench -s lock_document --hazard pause:times=3 --expect none
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"pause struck 3 times"* ]]
    run racebench -s lock_release_compat --hazard pause:times=30 --lease 50ms -n 4000
    echo "$output"
    [ "$status" -eq 1 ]
}

@test "another program answers: what processes make strikes, what the gate makes does not" {
    "$RACEBENCH_BINARY" serve --socket "$PWD/engine.sock" --quiet >serve.txt 2>&1 3>&- &
    server=$!
    wait_for test -S engine.sock
    uri="mongodb://${PWD//\//%2F}%2Fengine.sock"
    run racebench -s occ --uri "$uri" --hazard crash:times=3,pause:100ms:times=2
    echo "$output"
    held=$status
    run racebench -s live_object -n 40000 --uri "$uri"
    echo "$output"
    broken=$status
    run racebench -s occ --uri "$uri" --hazard lost_reply
    kill "$server"
    [ "$held" -eq 0 ]
    [ "$broken" -eq 1 ]
    [ "$status" -eq 69 ]
    [[ $output == *"needs the embedded engine"* ]]
}

@test "what cannot be is said in one line" {
    run racebench -s occ --transport direct
    [ "$status" -eq 64 ]
    [[ $output == *"--transport direct calls the engine inside this one process"* ]]
    run "$RACEBENCH_BINARY" -s occ --processes 2 -w 1
    [ "$status" -eq 64 ]
    [[ $output == *"--processes 2 is more than --workers 1"* ]]
    run racebench -s occ --processes 4 --instances 2
    [ "$status" -eq 64 ]
    [[ $output == *"--instances 2 is less than --processes 4"* ]]
    run racebench -s claim -S cron_tick --hazard crash
    [ "$status" -eq 64 ]
    [[ $output == *"a new process does not"* ]]
    run racebench -s occ --hazard processes
    [ "$status" -eq 64 ]
    [[ $output == *"say --processes N"* ]]
    run "$RACEBENCH_BINARY" "(process)"
    [ "$status" -eq 64 ]
    run "$RACEBENCH_BINARY" --help
    [[ $output != *"(process)"* ]]
}

@test "the parent is killed: no process survives it" {
    start
    kill -KILL "$parent"
    wait_for all_gone "$parent" "${children[@]}"
}

@test "interrupt: all end, partial results are marked" {
    start --out json=partial.json
    wait_for settled
    kill -INT "$parent"
    code=0
    wait "$parent" || code=$?
    [ "$code" -eq 130 ]
    all_gone "${children[@]}"
    jq -e '.interrupted and .cells[0].counts.acked > 0' partial.json
}

@test "a process that somebody kills: 70 and no verdict" {
    start
    kill -KILL "${children[1]}"
    code=0
    wait "$parent" || code=$?
    cat err.txt
    [ "$code" -eq 70 ]
    grep -q 'of 2 was killed by signal 9' err.txt
    [[ $(<out.txt) != *held* ]]
    wait_for all_gone "${children[@]}"
}

@test "a process that says what is no report: 76 and no verdict" {
    start
    printf 'this is not a report, it is something else' >"/proc/${children[0]}/fd/4"
    code=0
    wait "$parent" || code=$?
    cat err.txt
    [ "$code" -eq 76 ]
    grep -q 'broke the protocol' err.txt
    [[ $(<out.txt) != *held* ]]
    wait_for all_gone "${children[@]}"
}

@test "a process that says nothing: 70 and no verdict" {
    start --timeout 100ms
    kill -STOP "${children[0]}"
    code=0
    wait "$parent" || code=$?
    cat err.txt
    [ "$code" -eq 70 ]
    grep -q 'has said nothing for 5 seconds' err.txt
    [[ $(<out.txt) != *held* ]]
    wait_for all_gone "${children[@]}"
}
