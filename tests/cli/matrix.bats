#!/usr/bin/env bats
# matrix: the quick matrix as CI runs it: every claim held, every conviction happened.
# labels: matrix slow

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

@test "the quick matrix is as it should be" {
    run timeout 600 "$RACEBENCH_BINARY" matrix --quick --seed 1 --results runs \
        --out markdown=matrix.md --out json=matrix.json --out junit=matrix.xml
    echo "$output" | tail -n 40
    [ "$status" -eq 0 ]
    [[ $output == *"What must break"* ]]
    [[ $output != *BROKEN* && $output != *UNKNOWN* && $output != *"NOT CONVICTED"* ]]
    for scenario in counter cron_tick once_only snapshot stale_save ticket_events transfer; do
        grep -qx "### $scenario" matrix.md
    done
    grep -q '^| strategy | none | instances | lost_reply | drop | error ' matrix.md
    grep -q '^| naive | broken<br>' matrix.md
    # a table: every line of the counter's block has as many columns as its head
    awk '/^### /{c = ""} /^\|/ {n = gsub(/\|/, "|"); if (c == "") c = n; if (n != c) exit 1}' \
        matrix.md
    grep -q '"column"\|"hazards"' matrix.json
    grep -q 'repeat: ./racebench ' matrix.xml
}

@test "a part of it, and names that are not known" {
    run "$RACEBENCH_BINARY" matrix --quick -S counter -s occ,naive --results runs
    [ "$status" -eq 0 ]
    [[ $output != *inc_once* ]]
    run "$RACEBENCH_BINARY" matrix -s nave
    [ "$status" -eq 64 ]
    [[ $output == *"did you mean 'naive'"* ]]
}

@test "hazards on a command line" {
    run "$RACEBENCH_BINARY" -s occ -w 4 -n 100 --hazard lost_reply --uri mongodb://127.0.0.1:1
    [ "$status" -eq 69 ]
    [[ $output == *"needs the embedded engine"* ]]
    run "$RACEBENCH_BINARY" -s occ -w 4 -n 100 --hazard boot
    [ "$status" -eq 64 ]
    [ "${#lines[@]}" -eq 1 ]
    run "$RACEBENCH_BINARY" -s occ -w 4 -n 100 --hazard pause:times=2 --results runs --seed 3
    [ "$status" -eq 0 ]
    [[ $output == *"lease is 200ms"* ]]
    RACEBENCH_HAZARD=crahs run "$RACEBENCH_BINARY" -s occ
    [ "$status" -eq 64 ]
    [[ $output == *"RACEBENCH_HAZARD 'crahs': unknown hazard"* ]]
}
