# SPDX-License-Identifier: Apache-2.0
"""`aci-kubelet top`: what it shows is what runs, on a terminal, in a log, for programs."""

import json
import os
import pty
import select
import signal
import subprocess
import time

from polling import eventually
from simulated import pod

ALTERNATE, NORMAL = b"\033[?1049h", b"\033[?1049l"


def command(world, *flags, kubeconfig=None):
    return [str(world.programs / "aci-kubelet"), "top", "--kubeconfig",
            str(kubeconfig or world.kubeconfig), "--nodename", world.node, *flags]


def once(world, *flags, **where):
    return subprocess.run(command(world, "--once", *flags, **where), env={}, capture_output=True,
                          text=True, timeout=240, check=False)


def look(world):
    run = once(world, "--output", "json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_it_counts_what_runs(world, namespace):
    # The bystander alone.
    before = eventually(lambda: (seen := look(world))["pods"]["running"] == seen["groups"] == 1 and seen,
                        90, "one runs")
    world.apply(namespace, *(pod(f"p{i}", "serve") for i in range(3)))
    eventually(lambda: look(world)["pods"]["running"] == before["pods"]["running"] + 3, 60,
               "three more run")
    now = eventually(lambda: (seen := look(world))["secondsPerPhase"].get("whole") and seen, 90,
                     "a start was measured")
    assert now["node"] == world.node
    eventually(lambda: look(world)["groups"] == before["groups"] + 3, 60, "with a group each")
    assert now["quotas"]["ContainerGroups"]["limit"] > 0 and not now["armIsAway"]
    assert {"resolve", "put", "start"} <= now["secondsPerPhase"].keys()
    table = once(world)
    assert table.returncode == 0 and "\033" not in table.stdout
    assert table.stdout.startswith(f"{world.node}  2") and "SECONDS" in table.stdout


def test_a_line_each_interval_where_there_is_no_terminal(world, bystander):
    assert bystander
    with subprocess.Popen(command(world, "--interval", "200ms"), env={}, stdout=subprocess.PIPE,
                          text=True) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    assert all(" running=" in line and "\033" not in line for line in lines), lines


def test_a_terminal_is_drawn_anew_and_given_back(world):
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = command(world, "--interval", "200ms")
        os.execve(arguments[0], arguments, {"TERM": "xterm"})
    seen, deadline = b"", time.monotonic() + 240
    while seen.count(b"\033[H\033[J") < 3:
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536)
    assert seen.startswith(ALTERNATE) and b"TOKENS" in seen
    os.kill(pid, signal.SIGINT)
    rest = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        rest += piece
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    # The last look stays on the screen.
    assert b"SECONDS" in rest.split(NORMAL)[-1]


def test_who_may_not_is_told(world):
    refused = once(world, kubeconfig=world.folder / "kubelet.kubeconfig")
    assert refused.returncode == 1 and 'cannot get resource "nodes/proxy"' in refused.stderr
    nowhere = once(world, "--nodename", "no-such-node")
    assert nowhere.returncode == 1 and "no-such-node" in nowhere.stderr
