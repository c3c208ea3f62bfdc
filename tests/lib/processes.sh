# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Long-lived processes of a run: started in their own session, known by pid and start time, so that
# a pid that was used again is never taken for ours. Sourced after progress.sh.
#
# The caller sets RUN_DIR; run/NAME.pid and log/NAME.log are kept under it. IN_NS (array) is the
# prefix that enters the run's network namespace, empty for the caller's own.

# start_time PID: the kernel's start time of a process.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The second field is the program's name in parentheses and may hold blanks; 22 is the time.
    read -ra stat <<<"${stat##*) }"
    echo "${stat[19]}"
}

# start NAME COMMAND...: an earlier log is kept as NAME.log.1, since it may explain a restart.
start() {
    local name=$1 pid
    shift
    mkdir -p "$RUN_DIR/log" "$RUN_DIR/run"
    ! alive "$name" || die "$name already runs from $RUN_DIR"
    [ ! -s "$RUN_DIR/log/$name.log" ] || mv "$RUN_DIR/log/$name.log" "$RUN_DIR/log/$name.log.1"
    setsid "${IN_NS[@]}" "$@" >"$RUN_DIR/log/$name.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid $(start_time "$pid")" >"$RUN_DIR/run/$name.pid"
}

# alive NAME: true while the recorded process is still that process and not a zombie.
alive() {
    local pid began
    read -r pid began 2>/dev/null <"$RUN_DIR/run/$1.pid" || return 1
    # What can't be read has just gone.
    [ "$(start_time "$pid")" = "$began" ] &&
        grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$pid/status"
}

# pid_of NAME
pid_of() {
    local pid rest
    read -r pid rest 2>/dev/null <"$RUN_DIR/run/$1.pid" && echo "$pid"
}

gone() { ! alive "$1"; }

# await NAME SECONDS COMMAND...: polls COMMAND; fails at once when process NAME has ended.
await() {
    local name=$1 seconds=$2
    shift 2
    _ready_or_dead() { gone "$name" || "$@"; }
    if eventually "$seconds" _ready_or_dead "$@" && alive "$name"; then
        return 0
    fi
    tail -n 20 "$RUN_DIR/log/$name.log" >&2
    if alive "$name"; then
        die "$name was not ready within $seconds s; its log: $RUN_DIR/log/$name.log"
    fi
    die "$name ended while it started; its log: $RUN_DIR/log/$name.log"
}

# stop SECONDS NAME...: TERM to all, KILL to those still there after SECONDS; only to pids of ours.
stop() {
    local seconds=$1 name
    shift
    for name; do
        if alive "$name"; then kill -TERM "$(pid_of "$name")"; fi
    done
    for name; do
        if ! eventually "$seconds" gone "$name"; then
            warn "$name did not end within $seconds s and is killed"
            kill -KILL "$(pid_of "$name")" 2>/dev/null || :
            eventually 5 gone "$name" || warn "$name cannot be killed"
        fi
        rm -f "$RUN_DIR/run/$name.pid"
    done
}
