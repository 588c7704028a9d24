#!/usr/bin/env bats
# dbpath: `racebench serve --dbpath`: one engine per folder, only folders of its own, and what
# happens when the disk is full or descriptors run out. That acknowledged writes survive is shown by
# tests/test_durability.c.
# labels: cli slow

setup() {
    R=$RACEBENCH_BINARY
    T=$(mktemp -d)
    PIDS=()
    ldd "$R" | grep -q wiredtiger || skip "built without WiredTiger"
}

teardown() {
    for pid in "${PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true # until then its folder is in use
    done
    mountpoint -q "$T/small" && umount "$T/small"
    rm -rf "$T"
}

# wait_for FILE: until it is there and not empty, at most 60 s.
wait_for() {
    local left=600
    until [ -s "$1" ]; do
        [ $((left -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

# serve DIR: in the background; its first URI is in $URI, its process in $SERVER.
serve() {
    rm -f "$T/uris"
    "$R" serve --dbpath "$1" --socket "$T/e.sock" >"$T/uris" 2>"$T/err" 3>&- &
    SERVER=$!
    PIDS+=("$SERVER")
    wait_for "$T/uris"
    URI=$(head -n 1 "$T/uris")
}

@test "a second engine on one folder: 69 and a line; the first goes on" {
    serve "$T/data"
    run "$R" serve --dbpath "$T/data"
    [ "$status" = 69 ]
    [[ $output == *"another engine uses the store in $T/data; end it or choose another folder" ]]
    timeout 120 "$R" run -s inc -w 4 -n 2000 --uri "$URI" --results "$T/r" >/dev/null
    kill "$SERVER"
    wait "$SERVER"
}

@test "the socket of a killed engine is taken over; one that is in use, or any other file, is not" {
    serve "$T/data"
    run "$R" serve --dbpath "$T/other" --socket "$T/e.sock"
    [ "$status" = 69 ]
    [[ $output == *"cannot bind $T/e.sock: address already in use"* ]]
    kill -KILL "$SERVER"
    wait "$SERVER" || true # not by run: a subshell has no children to wait for
    [ -S "$T/e.sock" ]
    serve "$T/data"
    echo precious >"$T/f.sock"
    run "$R" serve --dbpath "$T/other" --socket "$T/f.sock"
    [ "$status" = 69 ]
    [ "$(cat "$T/f.sock")" = precious ]
}

@test "a folder with something else stays as it is" {
    mkdir "$T/mine"
    echo precious >"$T/mine/file"
    run "$R" serve --dbpath "$T/mine"
    [ "$status" = 69 ]
    [[ $output == *"not empty and not a store of racebench; it stays as it is"* ]]
    [ "$(ls -A "$T/mine")" = file ]
}

@test "a newer or an older format is not opened" {
    mkdir "$T/other"
    for format in 999 2; do
        echo "racebench store, format $format" >"$T/other/racebench.store"
        run timeout 60 "$R" serve --dbpath "$T/other"
        [ "$status" = 69 ]
        [[ $output == *"format $format"*"known is 3"* ]]
        [ "$(ls -A "$T/other")" = racebench.store ]
    done
}

@test "a start that was cut short is begun again" {
    mkdir "$T/cut"
    printf 'racebench st' >"$T/cut/racebench.store"
    serve "$T/cut"
    grep -q '^racebench store, format 3$' "$T/cut/racebench.store"
}

@test "a folder that cannot be made: 69; memory has none: 64" {
    run "$R" serve --dbpath "$T/no/folder"
    [ "$status" = 69 ]
    [[ $output == *"cannot make the folder"*"No such file"* ]]
    run "$R" serve --dbpath "$T/data" --store memory
    [ "$status" = 64 ]
}

@test "disk full: 74 and a line; with room again it starts on the same folder" {
    mkdir "$T/small"
    mount -t tmpfs -o size=40m none "$T/small" 2>/dev/null || skip "no mount here"
    serve "$T/small/data"
    run timeout 120 "$R" run -s inc -w 4 -n 100000 --bytes 100000 --timeout 1s --max-tries 2 \
        --uri "$URI" --results "$T/r"
    [ "$status" != 0 ]
    status=0
    wait "$SERVER" || status=$?
    [ "$status" = 74 ]
    grep -q 'No space left on device; nothing that was acknowledged is lost' "$T/err"
    mount -o remount,size=400m "$T/small"
    serve "$T/small/data"
    timeout 120 "$R" run -s inc -w 4 -n 2000 --uri "$URI" --results "$T/r2" >/dev/null
}

@test "descriptors: connections leave some to the store" {
    (
        ulimit -n 80
        exec "$R" serve --dbpath "$T/data" --socket "$T/e.sock" >"$T/uris" 2>"$T/err" 3>&-
    ) &
    SERVER=$!
    PIDS+=("$SERVER")
    wait_for "$T/uris"
    URI=$(head -n 1 "$T/uris")
    run timeout 120 "$R" run -s inc -w 100 -n 1000 --timeout 1s --uri "$URI" --results "$T/r"
    timeout 120 "$R" run -s inc -w 4 -n 40000 --uri "$URI" --results "$T/r" >/dev/null
    kill "$SERVER"
    wait "$SERVER"
}
