#!/usr/bin/env bats
# explore on the command line: what it says of what it tried, what it writes as JSON, and what it
# refuses.

bats_require_minimum_version 1.5.0

setup() {
    racebench="${RACEBENCH_BINARY:?}"
    source="${RACEBENCH_SOURCE:?}"
    cd "$BATS_TEST_TMPDIR" || return 1
}

refused() {
    run --separate-stderr "$racebench" explore "$@"
    [ "$status" -eq 64 ]
    [ -z "$output" ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "held comes with a certificate" {
    run "$racebench" explore --strategy occ --workers 3
    [ "$status" -eq 0 ]
    [[ "$output" == *"held: all schedules, by their states"* ]]
    [[ "$output" == *"tried: 3 workers, 1 operation each, any order of their steps"* ]]
    [[ "$output" == *"not tried: more workers or operations"* ]]
    [[ "$output" == *"128-bit key"* ]]
}

@test "the certificate says which limits were set" {
    run "$racebench" explore --strategy occ --bound 2 --hazard lost_reply --faults 1
    [ "$status" -eq 0 ]
    [[ "$output" == *"at most 2 switches, at most 1 fault (lost_reply)"* ]]
    [[ "$output" == *"more switches (--bound)"* ]]
}

# What an exploration that went on to its end has counted.
counted() {
    "$racebench" explore --workers 4 --all "$@" --out json=counted.json >/dev/null || true
    python3 - <<'END'
import json
explored = json.load(open("counted.json"))["cells"][0]["explore"]
print(explored["states"], explored["schedules"], explored["failing"],
      "memo" if explored["transitions"] > 0 else "executed")
END
}

@test "the memo and executing everything agree" {
    for strategy in naive occ inc; do
        known=$(counted --strategy $strategy)
        executed=$(counted --strategy $strategy --no-memo)
        [ "${known/memo/}" = "${executed/executed/}" ]
        [[ "$known" == *" memo" ]]
    done
}

@test "the result is valid JSON, whatever came out" {
    run "$racebench" explore --strategy naive,occ --out json=both.json -q
    [ "$status" -eq 1 ]
    run "$racebench" explore --strategy lock_document --workers 6 --budget states=3 --json
    [ "$status" -eq 2 ]
    echo "$output" >unknown.json
    run "$source/scripts/validate_result.py" both.json unknown.json
    [ "$status" -eq 0 ]
    python3 - <<'END'
import json
naive, occ = json.load(open("both.json"))["cells"]
assert naive["verdict"] == naive["explore"]["verdict"] == "broken"
assert "w0.find" in naive["explore"]["schedule"]
assert occ["verdict"] == "held" and occ["explore"]["complete"]
assert occ["explore"]["schedule"] is None
cell = json.load(open("unknown.json"))["cells"][0]
assert cell["explore"]["why"] == "budget" and not cell["explore"]["complete"]
END
}

@test "the command that repeats a cell is one of explore" {
    run "$racebench" explore --strategy occ --workers 3 --operations 2 --json
    [[ "$output" == *" explore --scenario counter --strategy occ --workers 3 --operations 2"* ]]
}

@test "an interrupt ends it with what is known, and never with held" {
    "$racebench" explore --strategy lock_document,naive --workers 9 --no-cache --json \
        --budget 1h --progress lines >partial.json 2>err 3>&- &
    pid=$!
    for _ in {1..1200}; do # it says so after a second
        grep -q schedules err && break
        sleep 0.05
    done
    kill -INT $pid
    code=0
    wait $pid || code=$?
    [ "$code" -eq 130 ]
    run "$source/scripts/validate_result.py" partial.json
    [ "$status" -eq 0 ]
    python3 - <<'END'
import json
result = json.load(open("partial.json"))
assert result["interrupted"] and len(result["cells"]) == 1
assert result["cells"][0]["verdict"] == "unknown"
assert result["cells"][0]["explore"]["why"] == "interrupted"
END
}

@test "budgets of nothing and of nonsense are refused" {
    for budget in 0 0s states=0 schedules=0 states= states=-1 states=many -5s 1e999s; do
        refused --strategy occ --budget "$budget"
        [[ "$stderr" == *"--budget '$budget'"* ]]
    done
}

@test "what explore cannot do is refused" {
    refused --strategy occ --scenario transfer
    refused --strategy occ --hazard processes
    refused --strategy occ --out junit=out.xml
    refused --strategy occ --transport driver
    refused --strategy nobody
    refused --strategy occ --workers 0
    refused --strategy occ --workers 100000
}
