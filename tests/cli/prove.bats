# What held is proved, or not; what a trace predicts is confirmed, or not; and the schedules of the
# broken variants still fail. labels: cli explore slow-sanitizers

setup() {
    binary="${RACEBENCH_BINARY:?}"
    runs="$BATS_TEST_TMPDIR/runs"
}

predict() { # STRATEGY [RUN OPTION...]
    local strategy=$1
    shift
    "$binary" run -s "$strategy" -n 300 --expect none -q --results "$runs" "$@" > /dev/null 2>&1
    run "$binary" explore --from-run latest --results "$runs"
}

@test "naive is predicted and confirmed, over sockets and in the process" {
    for transport in driver direct; do
        predict naive --transport "$transport"
        [ "$status" -eq 1 ]
        [[ $output == *"counter with naive"*"1 candidate"* ]]
        [[ $output == *"then put values into it, asking for no version and no owner"* ]]
        [[ $output == *"confirmed: lost-update"* ]]
        [[ $output == *"cell: --scenario counter --strategy naive --workers 2"* ]]
    done
}

@test "files are predicted too: file_naive is confirmed, file_lock is not" {
    predict file_naive
    [ "$status" -eq 1 ]
    [[ $output == *"confirmed: lost-update"* ]]
    predict file_lock
    [ "$status" -eq 0 ]
    [[ $output == *"1 candidate"*"not confirmed: held: all schedules"* ]]
}

@test "who asks for a version or says operators is no candidate" {
    for strategy in occ inc; do
        predict "$strategy"
        [ "$status" -eq 0 ]
        [[ $output == *"no candidate"* ]]
        [[ $output != *confirmed* ]]
    done
}

@test "who holds a lock is a candidate that is not confirmed" {
    predict lock_document
    [ "$status" -eq 0 ]
    [[ $output == *"1 candidate"* ]]
    [[ $output == *"not confirmed: held: all schedules of 3 workers"* ]]
}

@test "a run against a MongoDB has no trace to predict from" {
    predict naive
    sed -i 's/"name": "embedded"/"name": "mongodb"/' "$runs/latest/result.json"
    run "$binary" explore --from-run latest --results "$runs"
    [ "$status" -eq 69 ]
    [[ $output == *"against a MongoDB"*"run it again without --uri"* ]]
}

@test "a trace that is gone, cut off or foreign is 65" {
    predict naive
    truncate -s -3 "$runs/latest/trace.jsonl"
    run "$binary" explore --from-run latest --results "$runs"
    [ "$status" -eq 65 ]
    [[ $output == *"trace.jsonl:"*"the last line has no end"* ]]
    rm "$runs/latest/trace.jsonl"
    run "$binary" explore --from-run latest --results "$runs"
    [ "$status" -eq 65 ]
    [[ $output == *"trace.jsonl is not there"* ]]
    run "$binary" explore --from-run nothing --results "$runs"
    [ "$status" -eq 65 ]
    run "$binary" explore --from-run latest --results "$runs" --budget states=3
    [ "$status" -ne 0 ]
}

@test "matrix --prove says what is proved, in all reports" {
    run "$binary" matrix --quick --prove -q -S counter -s occ,inc,fenced_lease --seed 1 \
        --results "$runs" \
        --out json="$BATS_TEST_TMPDIR/m.json" --out junit="$BATS_TEST_TMPDIR/m.xml" \
        --out markdown="$BATS_TEST_TMPDIR/m.md"
    [ "$status" -eq 0 ]
    [[ $output == *"proved:3w"* ]]
    [[ $output == *"that held proved"* ]]
    grep -q "proved: 3 workers, one fault" "$BATS_TEST_TMPDIR/m.md"
    grep -q "all schedules of 3 workers, with one fault" "$BATS_TEST_TMPDIR/m.xml"
    python3 "$RACEBENCH_SOURCE/scripts/validate_result.py" "$BATS_TEST_TMPDIR/m.json"
    python3 - "$BATS_TEST_TMPDIR/m.json" <<'PYTHON'
import json
import sys
cells = json.load(open(sys.argv[1]))["cells"]
proved = [cell for cell in cells if cell["explore"] and cell["explore"]["complete"]]
assert len(proved) > 10
assert all(cell["explore"]["bounds"]["workers"] >= 2 for cell in proved)
assert all(cell["explore"]["states"] > 1 and cell["explore"]["failing"] == 0 for cell in proved)
assert all(cell["explore"] is None for cell in cells if cell["verdict"] == "broken")
PYTHON
}

@test "a budget that ends leaves a cell held and not proved" {
    run "$binary" matrix --quick --prove --prove-budget 1ms -q -S ticket_events -s occ --seed 1 \
        --results "$runs"
    [ "$status" -eq 0 ]
    [[ $output == *"budget:"* ]]
}

@test "what held by luck is broken by a schedule, which replays" {
    run "$binary" matrix --quick --prove --prove-budget 60s -q -S transfer -s lock_document \
        --seed 1 --results "$runs" --out json="$BATS_TEST_TMPDIR/m.json"
    [ "$status" -eq 0 ] # nobody claims that it holds when its holder dies
    python3 - "$BATS_TEST_TMPDIR" <<'PYTHON'
import json
import sys
cells = json.load(open(sys.argv[1] + "/m.json"))["cells"]
crash = [cell for cell in cells if cell["column"] == "crash"][0]
assert crash["verdict"] == "broken" and crash["reason"] == "skewed", crash
assert " explore --scenario transfer --strategy lock_document" in crash["repeat"]
open(sys.argv[1] + "/crash.race", "w").write(crash["explore"]["schedule"])
PYTHON
    run "$binary" explore --replay "$BATS_TEST_TMPDIR/crash.race"
    [ "$status" -eq 1 ]
    [[ $output == *"broken: skewed"* ]]
}

@test "the schedules of the broken variants fail as they did" {
    local race count=0
    for race in "$RACEBENCH_SOURCE"/tests/schedules/*.race; do
        run "$(dirname "$binary")/racebench-broken" explore -q --replay "$race"
        [ "$status" -eq 1 ] || { echo "$race: $output"; false; }
        [[ $output != *"did not fit"* && $output != *"ended early"* ]] ||
            { echo "$race: $output"; false; }
        count=$((count + 1))
    done
    [ "$count" -ge 40 ]
}
