#!/usr/bin/env bats
# check: `racebench check FILE --model M` as a user types it: exit codes, texts, JSON, limits.
# The golden histories are in tests/check/. (tests/cli/check.bats is about scripts/check.)
# labels: cli

setup() {
    source_root=${RACEBENCH_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
    golden=$source_root/tests/check
    if [ ! -x "${RACEBENCH_BINARY:-}" ]; then
        skip "RACEBENCH_BINARY names no program"
    fi
    if ! "$RACEBENCH_BINARY" check --help | grep -q -e --model; then
        skip "options.def has no --model yet"
    fi
    cd "$BATS_TEST_TMPDIR" || return
}

# judge CODE MODEL FILE [OPTION...]: runs it and wants that exit code.
judge() {
    local code=$1 model=$2 file=$3
    shift 3
    run "$RACEBENCH_BINARY" check "$file" --model "$model" "$@"
    echo "$output"
    [ "$status" -eq "$code" ]
}

# line TYPE PROCESS F VALUE: one operation's line on stdout.
line() {
    printf '{"type":"%s","process":%s,"f":"%s","value":%s}\n' "$1" "$2" "$3" "$4"
}

@test "histories that have an order are held, and it says what was checked" {
    judge 0 register "$golden/register_held.jsonl"
    [[ $output == held:*" as a register: every operation fits"* ]]
    [[ $output == *"8 operations (5 acknowledged, 2 without an answer, 1 failed), 1 key"* ]]
    [[ $output == *"1 line of other processes (nemesis) left out"* ]]
    judge 0 counter "$golden/counter_held.edn"
    judge 0 set "$golden/set_held.jsonl"
    judge 0 mutex "$golden/mutex_held.jsonl"
}

@test "histories that have none are broken, with the finding and the lines" {
    judge 1 register "$golden/register_stale.edn"
    [[ $output == *": not-linearizable"* ]]
    [[ $output == *"process 2: read -> 1, invoked in line 8, returned in line 9"* ]]
    judge 1 cas-register "$golden/cas_lost.jsonl"
    [[ $output == *": lost-update"* ]]
    judge 1 cas-register "$golden/cas_keys.edn"
    [[ $output == *'key "x"'* && $output == *"just before it the cas-register could be: 1"* ]]
    judge 1 counter "$golden/counter_low.jsonl"
    [[ $output == *": out-of-bounds"* ]]
    judge 1 counter "$golden/increment_lost.jsonl"
    [[ $output == *": lost-update"* ]]
    judge 1 set "$golden/set_lost.edn"
    [[ $output == *": lost-element"* && $output == *"it is about 0"* ]]
    judge 1 mutex "$golden/mutex_two_holders.edn"
    [[ $output == *"could be: locked"* ]]
    judge 1 counter "$golden/own_lost.jsonl"
    [[ $output == *"the chain of versions that racebench's history names"* ]]
}

@test "a search says what was open and which states were possible" {
    {
        line invoke 0 write 1 && line ok 0 write 1
        line invoke 0 write 1 && line invoke 1 write 2 && line invoke 2 read null
        line ok 2 read 3
        line info 1 write 2
    } >history.jsonl
    judge 1 register history.jsonl
    [[ $output == *"read -> 3, invoked in line 5, returned in line 6"* ]]
    [[ $output == *"could be: "*"open at that time:"* ]]
    [[ $output == *"write 2, invoked in line 4, no answer"* ]]
    [[ $output == *"write 1, invoked in line 3, no answer"* ]]
}

@test "--json is one object with the same verdict" {
    judge 1 cas-register "$golden/cas_keys.edn" --json
    printf '%s\n' "$output" >result.json
    run python3 - <<'PYTHON'
import json
result = json.load(open("result.json", encoding="utf-8"))
assert result["schema"] == "racebench.check/1", result
assert (result["verdict"], result["reason"]) == ("broken", "not-linearizable"), result
assert result["exit_code"] == 1 and result["notation"] == "EDN", result
assert result["operations"] == {"invoked": 6, "acknowledged": 5, "failed": 1, "unanswered": 0}
assert result["algorithms"] == {"unique-cas": 1, "search": 1}, result
assert result["witness"]["key"] == '"x"' and result["witness"]["states"] == ["1"], result
assert result["witness"]["operations"][0]["invoke_line"] == 12, result
PYTHON
    echo "$output"
    [ "$status" -eq 0 ]
    judge 0 set "$golden/set_held.jsonl" --json
    [[ $output == *'"verdict": "held"'* && $output == *'"witness": null'* ]]
}

@test "a history in which nothing is seen proves nothing: unknown" {
    { line invoke 0 write 1 && line ok 0 write 1; } >history.jsonl
    judge 2 register history.jsonl
    [[ $output == unknown:*nothing-seen* ]]
}

@test "limits end a search with unknown and the reason" {
    {
        for i in $(seq 0 39); do line invoke "$i" add $((3 << i % 30)); done
        line invoke 99 read null
        line ok 99 read 100
    } >history.jsonl
    judge 2 counter history.jsonl --memory-limit 4
    [[ $output == unknown:*memory-limit* ]]
    judge 2 counter history.jsonl --time-limit 100ms
    [[ $output == unknown:*time-limit* ]]
}

@test "--initial says what was there at the start" {
    { line invoke 0 read null && line ok 0 read 7; } >history.jsonl
    judge 1 register history.jsonl
    judge 0 register history.jsonl --initial 7
    judge 0 counter history.jsonl --initial 7
    judge 65 counter history.jsonl --initial :seven
    judge 65 register history.jsonl --initial "[1"
}

@test "bad input is 65 with the line and what to do, and never held" {
    : >empty.jsonl
    judge 65 register empty.jsonl
    [[ $output == *"empty history"* ]]
    head -c 400 "$golden/register_held.jsonl" >cut.jsonl
    judge 65 register cut.jsonl
    [[ $output == *"line 6: the file ends within the operation that begins at line 6"* ]]
    head -n 5 "$golden/cas_keys.edn" >cut.edn
    judge 65 cas-register cut.edn
    [[ $output == *"ends without the ']'"* ]]
    head -n 3 "$golden/register_held.jsonl" | tac >backwards.jsonl
    judge 65 register backwards.jsonl
    [[ $output == *"line 1:"*"without an open invocation"* ]]
    sed -n '1p;1p' "$golden/register_held.jsonl" >twice.jsonl
    judge 65 register twice.jsonl
    [[ $output == *"line 2: index 0 after index 0"* ]]
    judge 65 set "$golden/register_held.jsonl"
    [[ $output == *"is it another --model?"* ]]
    judge 65 register no_such_file
    judge 65 register .
    truncate -s 2G big.jsonl
    judge 65 register big.jsonl
    [[ $output == *"cut the run into several histories"* ]]
}

@test "usage errors are 64" {
    run "$RACEBENCH_BINARY" check "$golden/set_held.jsonl"
    [ "$status" -eq 64 ]
    [[ $output == *"--model says what the operations mean"* ]]
    judge 64 queue "$golden/set_held.jsonl"
    run "$RACEBENCH_BINARY" check --model set
    [ "$status" -eq 64 ]
}

@test "what racebench writes with --out history, racebench judges" {
    local settings=(-w 8 -n 400 --work 200us --results . --progress none)
    run "$RACEBENCH_BINARY" -s naive "${settings[@]}" --out history=naive.jsonl
    [ "$status" -eq 1 ]
    judge 1 counter naive.jsonl
    [[ $output == *": lost-update"* ]]
    run "$RACEBENCH_BINARY" -s occ "${settings[@]}" --out history=occ.jsonl
    [ "$status" -eq 0 ]
    judge 0 counter occ.jsonl
}
