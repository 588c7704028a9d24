#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# listen: who can reach an engine. Looked at from outside, in /proc: `run` listens on no TCP port at
# all, `serve` on loopback unless --listen says otherwise, and sockets are the user's own.
#
# labels: cli

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || exit
    racebench=${RACEBENCH_BINARY:?}
}

teardown() {
    [ -z "${process:-}" ] || kill "$process" 2>/dev/null || true
}

# listens PID: the addresses, in hexadecimal, on which the process listens by TCP.
listens() {
    local inodes
    inodes=$(find "/proc/$1/fd" -type l -printf '%l\n' | sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p')
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v inodes="$inodes" '
            BEGIN { count = split(inodes, list, "\n"); for (i = 1; i <= count; i++) mine[list[i]] }
            $4 == "0A" && $10 in mine { sub(/:.*/, "", $2); print $2 }'
}

# serve ARGUMENT...: starts an engine and sets process and socket_uri.
serve() {
    : >out # what an earlier one has said must not be read
    "$racebench" serve "$@" >out 2>err 3>&- &
    process=$!
    for _ in {1..1200}; do
        [ "$(wc -l <out)" -ge 2 ] && break
        sleep 0.05
    done
    read -r socket_uri <out
}

# end: stops what serve() has started.
end() {
    kill "$process"
    wait "$process"
    process=
}

@test "serve: loopback only; its socket is in a folder that only the user may enter" {
    serve
    [ "$(listens "$process")" = 0100007F ]
    run ! grep -q warning err
    path=${socket_uri#mongodb://}
    path=${path//%2F//}
    path=${path%/}
    [ "$(stat -c %a "$path")" = 600 ]
    [ "$(stat -c %a "$(dirname "$path")")" = 700 ]
    end
}

@test "serve --listen: loopback by another name does not warn, everything else does" {
    serve --listen localhost
    [ "$(listens "$process")" = 0100007F ]
    run ! grep -q warning err
    end
    serve --listen 127.0.0.2
    [ "$(listens "$process")" = 0200007F ]
    run ! grep -q warning err
    end
    serve --listen 0.0.0.0
    [ "$(listens "$process")" = 00000000 ]
    grep -q "warning: --listen 0.0.0.0 lets others in: there is no password" err
    end
    if [ -e /proc/net/tcp6 ] && grep -q '^0*1 ' /proc/net/if_inet6; then
        serve --listen ::1
        [ "$(listens "$process")" = 00000000000000000000000001000000 ]
        run ! grep -q warning err
        end
    fi
}

@test "run: no TCP port at all" {
    "$racebench" run -s inc -w 2 -n 100000000 --expect none >out 2>err 3>&- &
    process=$!
    for _ in {1..1200}; do
        [ -n "$(find "/proc/$process/fd" -lname 'socket:*')" ] && break
        sleep 0.05
    done
    sleep 0.2
    kill -0 "$process"
    [ -z "$(listens "$process")" ]
    kill "$process"
    wait "$process" || true
    process=
}
