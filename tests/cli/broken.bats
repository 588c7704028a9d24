#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# broken: racebench-broken, the same program over broken strategies, as a user drives it.
#
# labels: cli broken

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || exit
    racebench=${RACEBENCH_BINARY:?}
    broken=$(dirname "$racebench")/racebench-broken
}

@test "its list has the variants and the right strategies beside them" {
    run -0 "$broken" list strategies
    [[ $output == *process_mutex* ]]
    [[ $output == *lock_document* ]]
}

@test "racebench itself knows no variant" {
    run -64 "$racebench" run --strategy process_mutex
}

@test "a variant is convicted, its twin on the same cell is not" {
    run -1 "$broken" run -s process_mutex -w 8 --instances 2 -n 400 --seed 1 --transport direct
    [[ $output == *BROKEN* ]]
    run -0 "$broken" run -s lock_document -w 8 --instances 2 -n 400 --seed 1 --transport direct
}

@test "a hazard that a variant needs is an option" {
    run -1 "$broken" run -s inc_resent -w 8 --hazard lost_reply -n 400 --seed 1 --transport direct
    [[ $output == *BROKEN* ]]
    run -0 "$broken" run -s inc_once -w 8 --hazard lost_reply -n 400 --seed 1 --transport direct
}
