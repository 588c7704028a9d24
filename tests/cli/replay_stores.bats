#!/usr/bin/env bats
# replay_stores: every schedule of tests/schedules tells the same, byte for byte, whether the engine
# keeps its rows in memory or in WiredTiger, and comes to the same verdict, without a step that does
# not fit, when it is repeated by libmongoc over sockets.
# labels: cli slow

bats_require_minimum_version 1.5.0

setup() {
    racebench=$RACEBENCH_BINARY
    broken=$(dirname "$racebench")/racebench-broken
    schedules=$BATS_TEST_DIRNAME/../schedules
    cd "$BATS_TEST_TMPDIR" || exit 1
    unset COLUMNS
    if ldd "$racebench" | grep -q wiredtiger; then return; fi
    skip "no WiredTiger"
}

# repeats BINARY FILE: tells the same over both stores, and is broken
repeats() {
    local status=0
    "$1" explore --replay "$2" >memory.txt 2>&1 || status=$?
    [ "$status" -eq 1 ] || { echo "$2: $status"; cat memory.txt; return 1; }
    status=0
    "$1" explore --replay "$2" --store wiredtiger >wiredtiger.txt 2>&1 || status=$?
    [ "$status" -eq 1 ] || { echo "$2 over wiredtiger: $status"; cat wiredtiger.txt; return 1; }
    diff memory.txt wiredtiger.txt || { echo "$2 differs"; return 1; }
}

@test "every schedule is the same over both stores" {
    local count=0 file name binary
    for file in "$schedules"/*.race; do
        name=$(basename "$file" .race)
        binary=$racebench
        [ ! -e "$BATS_TEST_DIRNAME/../broken/${name%%-*}.c" ] || binary=$broken
        repeats "$binary" "$file"
        count=$((count + 1))
    done
    echo "$count schedules"
    [ "$count" -gt 50 ]
}

# What is no schedule's business: I/O inside of a change, and a queue that never goes on.
@test "there is a schedule of every variant, and its twin does not fail in those of leases" {
    local file name twin
    for file in "$BATS_TEST_DIRNAME"/../broken/*.c; do
        name=$(basename "$file" .c)
        case $name in *_fixed | async_mutator | poisoned_queue) continue ;; esac
        [ -e "$schedules/$name.race" ] || { echo "no schedule of $name"; return 1; }
    done
    for name in release_by_id heartbeat_by_id no_recheck; do
        twin=$(sed -n 's/^ \* twin: //p' "$BATS_TEST_DIRNAME/../broken/$name.c")
        sed "s/--strategy $name/--strategy $twin/" "$schedules/$name.race" >twin.race
        run --separate-stderr "$broken" explore --replay twin.race --seed 1
        [ "$status" -eq 0 ]
        [[ $output == *"as far as it fits, this schedule does not fail" ]]
    done
}

# fits BINARY FILE: repeated by real clients, whose threads are delayed at random, it comes to the
# same, without a word about moves that did not fit.
fits() {
    local here there status=0
    here=$("$1" explore --replay "$2" -q | head -1) || true
    there=$(LD_PRELOAD=$(dirname "$1")/libjitter.so "$1" explore --replay "$2" --transport driver \
        2>told.txt) || status=$?
    if [ "$status" -ne 1 ] || [ "$here" != "$there" ] || [ -s told.txt ]; then
        echo "$2: $status: $here / $there"
        cat told.txt
        return 1
    fi
}

@test "every schedule comes to the same with real clients over sockets" {
    local file name binary
    for file in "$schedules"/*.race; do
        name=$(basename "$file" .race)
        binary=$racebench
        [ ! -e "$BATS_TEST_DIRNAME/../broken/${name%%-*}.c" ] || binary=$broken
        fits "$binary" "$file"
    done
}

# Its last step belongs to who ends last, which was the other worker once in twenty runs.
@test "who ends last is the schedule's choice" {
    export JITTER_OFTEN=30 JITTER_US=6000
    for _ in {1..20}; do
        fits "$broken" "$schedules/resolves_early.race"
    done
}

@test "all schedules of transactions are the same over both stores" {
    local here there
    here=$("$racebench" explore --strategy transaction --no-cache | sed 's/ in [0-9.]* s;.*//')
    there=$("$racebench" explore --strategy transaction --no-cache --store wiredtiger |
        sed 's/ in [0-9.]* s;.*//')
    [[ $here == *"held: all schedules"* ]]
    [ "$here" = "$there" ]
}
