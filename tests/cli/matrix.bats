#!/usr/bin/env bats
# matrix: the quick matrix as CI runs it: every claim held, every conviction happened; and what a
# matrix says that is not as it should be.
# labels: matrix slow

bats_require_minimum_version 1.5.0

# One matrix for the tests that look at it.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    local code=0
    timeout 600 "${RACEBENCH_BINARY:?}" matrix --quick --seed 1 --out markdown=matrix.md \
        --out json=matrix.json --out junit=matrix.xml --out matrix=matrix.txt \
        --results runs >log 2>&1 || code=$?
    echo "$code" >code
}

setup() {
    racebench=${RACEBENCH_BINARY:?}
    broken=$(dirname "$racebench")/racebench-broken
    export RACEBENCH_RESULTS=$BATS_TEST_TMPDIR/runs
    cd "$BATS_FILE_TMPDIR" || return 1
}

# again COMMAND: what a repro line says, with the binary under test in place of the launcher
again() {
    eval "run --separate-stderr '$racebench' ${1#./racebench} --json"
}

@test "the quick matrix is as it should be" {
    cat log matrix.txt
    [ "$(cat code)" -eq 0 ]
    grep -qx 'What must break' matrix.txt
    run -1 grep -E '^[0-9]+ cells:.*(BROKEN|UNKNOWN|CONVICTED)' matrix.txt
    for scenario in counter cron_tick once_only snapshot stale_save ticket_events transfer; do
        grep -qx "### $scenario" matrix.md
    done
    grep -q '^| strategy | none<br>(driver) | instances<br>(direct) | processes<br>' matrix.md
    grep -q '^| naive | broken<br>' matrix.md
    grep -q 'racebench .*, libmongoc .*seed 1' matrix.md
    # a table: every line of a block has as many columns as its head
    awk '/^### /{c = ""} /^\|/ {n = gsub(/\|/, "|"); if (c == "") c = n; if (n != c) exit 1}' \
        matrix.md
    # what each cell is, and on which transport
    "$RACEBENCH_SOURCE/scripts/validate_result.py" matrix.json
    jq -e '[.cells[] | select(.column != null)] | length > 400 and all(.[];
        .transport == "direct" or (.column | IN("none", "processes", "restart")))' matrix.json
    # the engine restarted as often as planned, wherever it has a store that stays
    jq -e '(.cells[0].engine.store == "memory") or ([.cells[] | .hazards[]
        | select(.name == "restart") | .hits] | length > 14 and all(. == 2))' matrix.json
    jq -e 'any(.cells[]; .claimed and .column == "pause" and .verdict == "held")' matrix.json
    # a build server sees each cell once, with its transport and a line that repeats it
    [ "$(grep -c '<testcase ' matrix.xml)" -eq "$(grep -c '^repro: ./racebench ' matrix.xml)" ]
    [ "$(grep -c '<testcase ' matrix.xml)" -eq "$(grep -c '^transport: d' matrix.xml)" ]
    [ -z "$(grep -o '<testcase classname="[^"]*" name="[^"]*"' matrix.xml | sort | uniq -d)" ]
    # and a document can be made of it
    "$RACEBENCH_SOURCE/scripts/show_matrix" --file matrix.json >shown.md
    grep -q 'What must break, and does' shown.md
    grep -qE '20[0-9]{2}-[0-9]{2}-[0-9]{2}: racebench [0-9.]+ on .*libmongoc [0-9.]+; ' shown.md
    run -1 grep '\*\*BROKEN\|\*\*NOT\|\*\*UNKNOWN' shown.md
}

@test "the convictions that the issue demands are in the table, and happen" {
    convicted() {
        jq -e --arg s "$1" --arg c "$2" --arg h "$3" --arg r "$4" 'any(.cells[];
            .conviction != null and .strategy == $s and .scenario == $c and .verdict == "broken"
            and .reason == $r and ($h == "" or any(.hazards[]; .name == $h)))' matrix.json
    }
    acquitted() {
        jq -e --arg s "$1" --arg h "$2" 'any(.cells[]; .strategy == $s and .scenario == "counter"
            and .column == $h and .claimed and .verdict == "held")' matrix.json
    }
    convicted live_object counter instances lost-update
    acquitted file_lock instances
    convicted live_object counter processes lost-update
    acquitted file_lock processes
    convicted lock_document_compat cron_tick instances repeated
    convicted lock_document_compat counter boot lost-update
    convicted lock_document_compat counter crash stuck
    convicted lock_document_compat counter pause lost-update
    convicted lock_release_compat counter pause lost-update
    convicted lock_release_compat once_only "" repeated
    convicted occ counter lost_reply doubled-update
    convicted inc counter lost_reply doubled-update
    jq -e '.cells[0].engine.store == "memory"' matrix.json ||
        { convicted inc counter restart doubled-update && acquitted inc_once restart; }
    acquitted occ_once lost_reply
    acquitted inc_once lost_reply
    convicted occ_compat ticket_events duplicates never-acked
    convicted live_object_compat snapshot crash torn
    convicted naive+occ counter "" lost-update
    convicted inc+occ counter "" lost-update
    jq -e 'all(.cells[] | select(.strategy == "naive"); .verdict == "broken")' matrix.json
}

@test "the lines that repeat a cell do" {
    jq -c '[.cells[] | select(.transport == "direct")] | [.[range(7; length; 37)]] | .[]
        | [.repeat, .verdict, .reason]' matrix.json >sample
    jq -c '.cells[] | select(.conviction != null) | [.repeat, .verdict, .reason]' \
        matrix.json >>sample
    [ "$(wc -l <sample)" -ge 25 ]
    while read -r line; do
        again "$(jq -r '.[0]' <<<"$line")"
        echo "$line"
        echo "${stderr:?}"
        [ "$status" -le 2 ]
        [ "$(jq -c '.cells[0] | [.verdict, .reason] | if .[1] == "not-convicted" then
            ["held", null] else . end' <<<"$output")" = "$(jq -c '.[1:]' <<<"$line")" ]
    done <sample
}

@test "a claim that is too wide makes the matrix red, and its repro line shows it" {
    run -1 "$broken" matrix --quick -S counter -s process_mutex --seed 3 --out junit=matrix.xml
    [[ $output == *"process_mutex on counter (instances, direct): BROKEN: loses updates"* ]]
    grep -q '<failure type="lost-update"' matrix.xml
    line=$(grep -A1 '(instances, direct): BROKEN' <<<"$output" | sed -n 's/^  repro: //p')
    [[ $line == *racebench-broken*" --strategy process_mutex "* ]]
    grep -qF "repro: $line" matrix.xml
    cd "$RACEBENCH_SOURCE"
    [ -x "${line%% *}" ] || line="$broken ${line#* }" # the build is elsewhere
    eval "run -1 $line"
    [[ $output == *"BROKEN: loses updates"* ]]
}

@test "a part of it, and names that are not known" {
    run -0 "$racebench" matrix --quick -S counter -s occ,naive
    [[ $output != *inc_once* ]]
    [[ $output == *"naive+occ"* ]]
    run -0 "$racebench" matrix --quick -s inc+occ
    [[ $output == *"inc+occ"* && $output != *naive* ]]
    run -64 "$racebench" matrix -s nave
    [[ $output == *"did you mean 'naive'"* ]]
    run -64 "$racebench" matrix -S conter
    [[ $output == *"did you mean 'counter'"* ]]
}

@test "a strategy that cannot do a scenario: one line when both are named, n/a otherwise" {
    run -64 "$racebench" matrix --quick -S transfer -s occ
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"strategy 'occ' cannot do scenario 'transfer': it takes no edits of two"* ]]
    run -64 "$racebench" -S transfer -s occ
    [ "${#lines[@]}" -eq 1 ]
    run -0 "$racebench" matrix --quick -S transfer,stale_save -s occ,naive
    [[ $output == *stale_save*transfer* ]]
    run -64 "$racebench" matrix --quick -s occ+inc_once
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"occ+inc_once"* ]]
}

# refused WORDS OPTION...: one line that has these words, and 64
refused() {
    local words=$1
    shift
    run -64 "$racebench" "$@"
    echo "$output"
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"$words"* ]]
}

@test "a hazard without a place to strike" {
    refused "does nothing when the application starts" -s occ -w 4 --hazard boot
    refused "documents in files" -s file_lock -w 4 --hazard lost_reply
    refused "one clock" -s occ -w 4 --hazard skew
    refused "no messages" -s occ -w 4 --hazard duplicates
    refused "no messages" -S cron_tick -s lock_document -w 4 --hazard reordering
    refused "--instances" -s occ -w 4 --hazard instances
    refused "leave it out" -s occ -w 4 --hazard none
    run "$racebench" -s occ -w 4 -n 100 --hazard lost_reply --uri mongodb://127.0.0.1:1
    [ "$status" -eq 69 ]
    [[ $output == *"needs the embedded engine"* ]]
}

@test "negative and absurd times, amounts and numbers" {
    refused "--lease" -s occ --lease -1s
    refused "--lease" -s occ --lease 0
    refused "--lease" -s occ --lease 10000h
    refused "--tick" -S cron_tick -s claim --tick -5s
    refused "--jitter" -S cron_tick -s claim --jitter 99999h
    refused "--work" -s occ --work -1ms
    refused "--timeout" -s occ --timeout 1e99s
    refused "--duration" -s occ --duration -1s
    refused "time of pause" -s occ --hazard pause:-1s
    refused "time of pause" -s occ --hazard pause:2h
    refused "time of crash" -s occ --hazard crash:soon
    refused "times of pause" -s occ --hazard pause:times=0
    refused "times of pause" -s occ --hazard pause:times=-3
    refused "times of pause" -s occ --hazard pause:times=99999999999
    refused "code of error" -s occ --hazard error:-5
    refused "takes no amount" -s occ --hazard drop:5s
    refused "named twice" -s occ --hazard drop,drop
    refused "seed" -s occ --seed -1
    refused "seed" matrix --quick --seed x
}

@test "hazards on a command line" {
    run -0 "$racebench" -s occ -w 4 -n 100 --hazard pause:times=2 --seed 3
    [[ $output == *"lease is 200ms"* ]]
    RACEBENCH_HAZARD=crahs run -64 "$racebench" -s occ
    [[ $output == *"RACEBENCH_HAZARD 'crahs': unknown hazard"* ]]
}

# Cells under both transports follow each other: what a thread of one says too late must not reach
# the next.
@test "delays of threads change no verdict and end no matrix" {
    for seed in 1 2 3; do
        LD_PRELOAD=$(dirname "$racebench")/libjitter.so JITTER_OFTEN=100 JITTER_US=1000 \
            run --separate-stderr "$racebench" matrix --quick --scenario counter --strategy inc \
            --seed "$seed"
        [ "$status" -eq 0 ]
    done
}
