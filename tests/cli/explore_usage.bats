#!/usr/bin/env bats
# explore_usage: what explore does not take is refused with one line and exit 64, and what it has
# not tried it does not call held.
# labels: cli

bats_require_minimum_version 1.5.0

setup() {
    racebench=$RACEBENCH_BINARY
    cd "$BATS_TEST_TMPDIR" || exit 1
}

@test "budgets that are none" {
    for budget in 0 0s states=0 schedules= banana -1 states=x 5parsecs; do
        run --separate-stderr "$racebench" explore --budget "$budget" -q
        [ "$status" -eq 64 ]
        [ -z "$output" ]
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        [[ $stderr == "racebench: --budget '$budget': "* ]]
    done
}

@test "hazards that are no moves" {
    run --separate-stderr "$racebench" explore --hazard hang -q
    [ "$status" -eq 64 ]
    [[ $stderr == "racebench: --hazard hang: explore does not try it; "* ]]
}

@test "nothing contended, nothing struck: unknown" {
    run "$racebench" explore --scenario stale_save --strategy occ --operations 1 -q
    [ "$status" -eq 2 ]
    [[ $output == *"unknown: no-overlap: nothing was contended"* ]]
    run "$racebench" explore --strategy live_object --hazard boot --faults 0 -q
    [ "$status" -eq 2 ]
    [[ $output == *"unknown: hazard-never-struck"* ]]
    run "$racebench" explore --scenario stale_save --strategy occ -q
    [ "$status" -eq 0 ]
}

@test "a crash in the middle of a file's write replays with what it kept" {
    run --separate-stderr "$racebench" explore --replay /dev/stdin -q <<'RACE'
cell: --scenario snapshot --strategy file_naive --workers 1 --hazard crash
w0.enter  w0.random=0  w0.enter  w0.read_file  w0.enter  w0.empty_file  crash w0 keeping 5
RACE
    [ "$status" -eq 1 ]
    [[ $stderr != *"did not fit"* ]]
    [[ $output == *"torn"* ]]
}
