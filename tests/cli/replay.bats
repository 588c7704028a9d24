#!/usr/bin/env bats
# replay: what explore finds is a text that replays, in the process and over sockets; a schedule
# that is no schedule, or of something else, is refused with one line and exit 65.
# labels: cli

bats_require_minimum_version 1.5.0

setup() {
    racebench=$RACEBENCH_BINARY
    cd "$BATS_TEST_TMPDIR" || exit 1
    printf 'cell: --strategy naive\nw0.find w1.find w0.update w1.update\n' >naive.race
}

# refused TEXT: this schedule ends with exit 65 and one line that names file and line
refused() {
    # shellcheck disable=SC2059 # the rows are formats: they hold line ends and a zero byte
    printf "$1" >bad.race
    run --separate-stderr "$racebench" explore --replay bad.race
    [ "$status" -eq 65 ]
    [ -z "$output" ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
    [[ $stderr == "racebench: bad.race:$2:"* ]]
}

@test "what explore prints replays to the same, in the process and over sockets" {
    run --separate-stderr "$racebench" explore --strategy naive --workers 3 --operations 2 -q
    [ "$status" -eq 1 ]
    sed -n '/^#/,$p' <<<"$output" >found.race
    run --separate-stderr "$racebench" explore --replay found.race -q
    [ "$status" -eq 1 ]
    [ -z "$stderr" ]
    diff found.race <(sed -n '/^#/,$p' <<<"$output")
    run --separate-stderr "$racebench" explore --replay found.race --transport driver
    [ "$status" -eq 1 ]
    [ -z "$stderr" ]
    [[ $output == *"broken: lost-update"* ]]
}

@test "a replay says who saved over whom, and where it was too late" {
    run "$racebench" explore --replay naive.race
    [ "$status" -eq 1 ]
    [[ $output == *"w1 saved over w0's increment of counters/0."* ]]
    [[ $output == *"from here on every continuation fails"* ]]
    [[ $output == *"LOST: w0's increment"* ]]
}

@test "another order of the same steps holds" {
    printf 'cell: --strategy naive\nw0.find w0.update w1.find w1.update\n' >fine.race
    run "$racebench" explore --replay fine.race
    [ "$status" -eq 0 ]
}

@test "steps that are not there any more are skipped, and that is said" {
    printf 'cell: --strategy naive\nw0.find w0.insert w1.find\n' >old.race
    run --separate-stderr "$racebench" explore --replay old.race --seed 3
    [ "$status" -eq 1 ]
    [[ $stderr == *"old.race:2: 1 move did not fit any more and was skipped"* ]]
    [[ $stderr == *"the first is 'w0.insert'"* ]]
    [[ $stderr == *"2 further moves, chosen with --seed 3"* ]]
}

@test "a schedule that fits only in part says so, also where nothing fails" {
    printf 'cell: --strategy naive\nw0.find w0.update w0.insert w1.find w1.update\n' >part.race
    for transport in direct driver; do
        run --separate-stderr "$racebench" explore --replay part.race --transport $transport
        [ "$status" -eq 0 ]
        [[ $output == *"as far as it fits, this schedule does not fail" ]]
        [[ $stderr == *"part.race:2: 1 move did not fit any more"* ]]
    done
}

@test "what was to go wrong and did not leaves it open" {
    local cell='cell: --strategy occ --hazard lost_reply'
    printf '%s\nw0.find w0.update w1.find w1.update\n' "$cell" >none.race
    printf '%s\nw0.find lost w0.insert w0.update\n' "$cell" >gone.race
    for file in none gone; do
        for transport in direct driver; do
            run --separate-stderr "$racebench" explore --replay $file.race --transport $transport
            echo "$file $transport: $output"
            [ "$status" -eq 2 ]
            [[ $output == *"unknown: hazard-never-struck" ]]
        done
    done
}

@test "what is no schedule, or not of this cell, is refused" {
    refused 'w0.find' 1
    refused 'cell: --strategy naive\n' 2
    refused 'cell: --strategy naive\nw0.fnid' 2
    refused 'cell: --strategy naive\nw7.find' 2
    refused 'cell: --strategy naive\nw0.f\000ind' 2
    refused 'cell: --strategy nobody\nw0.find' 1
    refused 'cell: --strategy naive --out text=x\nw0.find' 1
    refused 'cell: --strategy naive --replay x\nw0.find' 1
    refused 'cell: --strategy naive,occ\nw0.find' 1
    [ ! -e x ]
}

@test "faults that need the process, and a driver without a schedule, are refused" {
    printf 'cell: --strategy inc --hazard restart\nrestart during w0.update\n' >restart.race
    run --separate-stderr "$racebench" explore --replay restart.race --transport driver
    [ "$status" -eq 64 ]
    [[ $stderr == *"'restart during w0.update' can only be repeated with --transport direct"* ]]
    run --separate-stderr "$racebench" explore --transport driver
    [ "$status" -eq 64 ]
}

@test "a setting in the environment does not change a replay unnoticed" {
    RACEBENCH_OPERATIONS=2 run --separate-stderr "$racebench" explore --replay naive.race
    [ "$status" -eq 64 ]
    [[ $stderr == *"RACEBENCH_OPERATIONS is set"* ]]
}
