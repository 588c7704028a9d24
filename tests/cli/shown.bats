#!/usr/bin/env bats
# shown: what must be shown, as a user would see it: who loses, who ends exactly at 10,000, on both
# transports and through --uri to a server of its own; how many workers fit.
# labels: cli slow

bats_require_minimum_version 1.5.0

setup() {
    racebench=$RACEBENCH_BINARY
    cd "$BATS_TEST_TMPDIR" || exit 1
    unset RACEBENCH_RESULTS
}

teardown() {
    [ -z "${server:-}" ] || { kill "$server" 2>/dev/null && wait "$server"; } || true
}

# exactly STRATEGY OPTION...: ends at 10,000 of 10,000 with exit code 0
exactly() {
    local strategy=$1
    shift
    run --separate-stderr "$racebench" -s "$strategy" -w 100 --json "$@"
    [ "$status" -eq 0 ]
    jq -e '.cells[0] | .verdict == "held" and .counts.final == 10000 and .counts.acked == 10000' \
        <<<"$output"
}

@test "naive with 100 workers loses most of 10,000 updates and names a witness" {
    run --separate-stderr "$racebench" -s naive -w 100
    [ "$status" -eq 1 ]
    [[ $output == *"is gone"* ]]
    run --separate-stderr "$racebench" -s naive -w 100 --json
    jq -e '.cells[0].counts.lost > 5000 and (.cells[0].witnesses | length) > 0' <<<"$output"
}

@test "the safe strategies end exactly at 10,000 under driver" {
    for strategy in occ inc live_object lock_document lock_release file_lock; do
        exactly "$strategy"
    done
}

@test "the safe strategies end exactly at 10,000 under direct" {
    for strategy in occ inc live_object lock_document lock_release file_lock; do
        exactly "$strategy" --transport direct
    done
}

@test "file_naive loses, and so does live_object with two instances" {
    run "$racebench" -s file_naive -w 100 -q
    [ "$status" -eq 1 ]
    run "$racebench" -s live_object -w 100 --instances 2 -q
    [ "$status" -eq 1 ]
}

@test "the same through --uri to a separate server" {
    "$racebench" serve >uris &
    server=$!
    for ((i = 0; i < 1200; i++)); do
        [ "$(wc -l <uris)" -lt 2 ] || break
        sleep 0.05
    done
    local uri
    uri=$(grep 127.0.0.1 uris)
    for strategy in occ inc live_object lock_document lock_release file_lock; do
        exactly "$strategy" --uri "$uri"
    done
    run "$racebench" -s naive -w 100 -q --uri "$uri"
    [ "$status" -eq 1 ]
    run "$racebench" -s live_object -w 100 --instances 2 -q --uri "$uri"
    [ "$status" -eq 1 ]
}

@test "10,000 workers run under direct and 1,000 under driver" {
    run "$racebench" -s inc -w 10000 -n 50000 --transport direct -q
    [ "$status" -eq 0 ]
    run "$racebench" -s inc -w 1000 -n 20000 -q
    [ "$status" -eq 0 ]
}

@test "too few file descriptors: 69 and the number" {
    run bash -c "ulimit -Sn 300; ulimit -Hn 300; '$racebench' -s inc -w 1000 -q"
    [ "$status" -eq 69 ]
    [[ $output == *"1000 workers need"* ]]
}
