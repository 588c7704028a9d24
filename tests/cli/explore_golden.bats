#!/usr/bin/env bats
# explore_golden: what explore says, word for word (tests/golden/NAME.txt, of which only the line
# of what was tried and how long that took is masked: test_explore.c counts), and the shortest
# schedule that it finds (tests/schedules/NAME.race), which replays to the same bytes in the
# process and to the same verdict over sockets. `GOLDEN=write ctest -R explore_golden` writes both
# anew: look at what has changed before you commit it.
# labels: cli

bats_require_minimum_version 1.5.0

setup() {
    racebench=$RACEBENCH_BINARY
    golden=$BATS_TEST_DIRNAME/../golden
    schedules=$BATS_TEST_DIRNAME/../schedules
    cd "$BATS_TEST_TMPDIR" || exit 1
    unset COLUMNS
}

# told NAME OPTION...: explore with these says what stands in NAME.txt and finds NAME.race, whose
# replay tells the same, from the first sentence on
told() {
    local name=$1
    shift
    run --separate-stderr "$racebench" explore --budget 10m "$@"
    [ "$status" -eq 1 ]
    sed -E 's/^  [0-9,]+ schedules?, .* s$/  .../' <<<"$output" >said
    sed -n '/^# /,$p' <<<"$output" >found
    if [ "${GOLDEN:-}" = write ]; then
        cp said "$golden/$name.txt"
        cp found "$schedules/$name.race"
    fi
    diff "$golden/$name.txt" said
    diff "$schedules/$name.race" found
    run --separate-stderr "$racebench" explore --replay "$schedules/$name.race"
    [ "$status" -eq 1 ]
    [ -z "$stderr" ]
    diff <(sed '1,/^$/d' said) <(sed '1,/^$/d' <<<"$output")
}

# over_sockets NAME VERDICT: real clients that are held at the engine's gate come to the same
over_sockets() {
    run --separate-stderr "$racebench" explore --replay "$schedules/$1.race" --transport driver
    [ "$status" -eq 1 ]
    [ -z "$stderr" ]
    [[ $output == *"broken: $2" ]]
}

@test "counter with naive: one saves over the other's increment" {
    told naive-counter --strategy naive
    over_sockets naive-counter lost-update
}

@test "lock_document_compat with a lease of 30 s and a paused holder" {
    told lock_document_compat-counter-pause --strategy lock_document_compat --lease 30s \
        --hazard pause
}

@test "cron_tick: a lock is not a tick" {
    told lock_document-cron_tick --scenario cron_tick --strategy lock_document --workers 3
}

@test "ticket_events: who lost the reply never acknowledges" {
    told occ_compat-ticket_events-lost_reply --scenario ticket_events --strategy occ_compat \
        --hazard lost_reply
}

@test "transfer with transactions: write skew" {
    told transaction-transfer --scenario transfer --strategy transaction
}

@test "counter with inc: what is sent again counts twice" {
    told inc-counter-lost_reply --strategy inc --hazard lost_reply --retry-unknown
    over_sockets inc-counter-lost_reply doubled-update
}

@test "counter with naive and occ side by side: who does not ask for the version is not noticed" {
    told naive+occ-counter --strategy naive+occ
    over_sockets naive+occ-counter lost-update
}

@test "a lock taken in two steps: who died in between is named as its holder" {
    racebench=$(dirname "$racebench")/racebench-broken
    told two_step_acquire-counter-error --strategy two_step_acquire --hazard error
}

@test "a lock without an end: what stands in it is told" {
    told lock_document_compat-counter-error --strategy lock_document_compat --hazard error
}

@test "snapshot with file_naive: a crash during the write of a file" {
    told file_naive-snapshot-crash --scenario snapshot --strategy file_naive --hazard crash
}
