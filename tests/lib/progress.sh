# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How every script here talks: progress on standard error, results on standard output, colour only
# where standard error is a terminal. Sourced, not run.

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    TINT=$'\e[36m' ALARM=$'\e[31m' PLAIN=$'\e[0m'
else
    TINT='' ALARM='' PLAIN=''
fi

say() { printf '%s==>%s %s\n' "$TINT" "$PLAIN" "$*" >&2; }
warn() { printf '%swarning:%s %s\n' "$ALARM" "$PLAIN" "$*" >&2; }
die() {
    printf '%serror:%s %s\n' "$ALARM" "$PLAIN" "$*" >&2
    exit 1
}

# beat LABEL: a line every 20 s for as long as the calling script lives. Waits in a builtin, so that
# ending it leaves no process behind that holds the script's standard error open.
beat() {
    local quiet began=$SECONDS
    exec {quiet}<> <(:)
    while kill -0 "$$" 2>/dev/null; do
        read -rt 20 -u "$quiet" || :
        say "$1: $((SECONDS - began)) s so far"
    done
}

# during LABEL LOG COMMAND...: runs COMMAND with its output in LOG and shows that it still works.
# When COMMAND fails the end of LOG is shown and its status is returned.
during() {
    local label=$1 log=$2 began=$SECONDS rc=0 ticker
    shift 2
    say "$label"
    beat "$label" &
    ticker=$!
    "$@" >"$log" 2>&1 </dev/null || rc=$?
    kill "$ticker" 2>/dev/null || :
    wait "$ticker" 2>/dev/null || :
    if [ "$rc" != 0 ]; then
        tail -n 40 "$log" >&2
        warn "$label failed after $((SECONDS - began)) s; whole output: $log"
    elif [ $((SECONDS - began)) -ge 5 ]; then
        say "$label: done in $((SECONDS - began)) s"
    fi
    return "$rc"
}

# eventually SECONDS COMMAND...: polls COMMAND until it succeeds; false when SECONDS have passed.
eventually() {
    local until=$((SECONDS + $1)) quiet
    shift
    exec {quiet}<> <(:)
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || { exec {quiet}>&-; return 1; }
        read -rt 0.1 -u "$quiet" || :
    done
    exec {quiet}>&-
}
