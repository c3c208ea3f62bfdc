# SPDX-License-Identifier: Apache-2.0
"""People at terminals: kubectl exec -it into shells with a history, by websocket and by SPDY, a pager;
and kubectl debug of a copy of a pod."""

import subprocess

import pytest

import manifests
from polling import eventually
from terminal import Terminal
from test_exec import PROTOCOLS

SHELLS = {"busybox": "busybox", "dash": "aci-kubelet/dash:1.0", "bash": "aci-kubelet/bash:1.0"}


@pytest.fixture(name="pods", scope="module")
def _pods(world, shared_namespace):
    """The namespace of a pod for each shell."""
    world.apply(shared_namespace, *(
        manifests.pod(name, manifests.container("main", image, command=["sleep", "100000"]),
                      restartPolicy="Never", terminationGracePeriodSeconds=0)
        for name, image in SHELLS.items()))
    eventually(lambda: all(pod.status.phase == "Running" for pod in world.pods(shared_namespace)),
               120, "all run")
    return shared_namespace


@pytest.fixture(name="terminal")
def _terminal(world, pods):
    """A function that opens one in a pod; all are closed when the test ends."""
    opened = []

    def start(pod, *command, protocol="websocket"):
        settings = [f"{key}={value}" for key, value in PROTOCOLS[protocol].items()]
        line = " ".join(["env", *settings, str(world.bin / "kubectl"), "--kubeconfig",
                         str(world.kubeconfig), "-n", pods, "exec", "-it", pod, "--", *command])
        # What the client ends with stays on the screen.
        opened.append(Terminal(["sh", "-c", f"{line}; echo client ended with $?; sleep 1000"],
                               30, 100))
        return opened[-1]
    yield start
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize("shell, protocol", [
    ("busybox", "websocket"), ("busybox", "spdy"), ("bash", "websocket")])
def test_arrow_keys_edit_the_line_and_walk_through_the_history(terminal, shell, protocol):
    screen = terminal(shell, "bash" if shell == "bash" else "sh", protocol=protocol)
    screen.expect("$\n")
    # Typed with a gap that the cursor goes back to. What is typed is seen before the keys are sent:
    # messages are short, and one must not end within the sequence of a key.
    screen.type("echo fist-$((1+1))")
    screen.expect("echo fist-$((1+1))")
    screen.type(*["Left"] * len("st-$((1+1))"))
    screen.type("r", "Enter")
    screen.expect_prompt("first-2\n")
    screen.type("echo second-$((2+2))", "Enter")
    screen.expect_prompt("second-4\n")
    screen.type("Up", "Up", "BSpace", "BSpace", "+5))", "Enter")
    screen.expect("first-7\n")
    screen.type("exit 9", "Enter")
    screen.expect("client ended with 9")


def test_dash_knows_the_size_and_its_keys_end_and_interrupt(terminal):
    screen = terminal("dash", "sh", protocol="spdy")
    screen.expect("$\n")
    screen.type("stty size", "Enter")
    screen.expect("30 100\n")
    screen.type("(echo st''arted; exec sleep 1000)", "Enter")
    screen.expect("started\n")
    screen.type("C-c")
    screen.type("echo $?", "Enter")
    screen.expect_prompt("130\n")
    screen.type("C-d")
    screen.expect("client ended with ")


def test_a_pager_fills_the_screen_and_gives_it_back(terminal):
    screen = terminal("busybox", "sh")
    screen.expect("$\n")
    screen.type("seq 1000 | less", "Enter")
    # Lines end with what the terminal is wide, the last one is the pager's.
    screen.expect("1\n2\n3\n")
    screen.expect("28\n29\n")
    screen.type("Space")
    screen.expect("57\n58\n")
    screen.type("Down")
    screen.expect("58\n59\n")
    screen.type("/777", "Enter")
    screen.expect("777\n778\n")
    screen.type("q")
    screen.expect("$\n")


def debug(world, namespace, *arguments):
    return subprocess.run(
        [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "-n", namespace, "debug",
         *arguments], capture_output=True, text=True, timeout=240, check=False,
        stdin=subprocess.DEVNULL)


def test_debug_of_a_copy_works_where_it_asks_for_what_a_group_has(world, pods):
    run = subprocess.run(
        [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "-n", pods, "debug",
         "dash", "--copy-to=copy", "--container=main", "-i", "--profile=restricted",
         "--share-processes=false", "--", "sh", "-c", "echo in the copy"],
        capture_output=True, text=True, timeout=240, check=False, stdin=subprocess.DEVNULL)
    assert "in the copy\n" in run.stdout, run


def test_debug_of_a_copy_says_that_processes_are_not_shared(world, pods, tmp_path):
    # kubectl says the reason and waits on, as for each pod that a node refuses.
    said = tmp_path / "said"
    with open(said, "wb") as output, subprocess.Popen(
            [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "-n", pods, "debug",
             "dash", "--copy-to=shared", "--container=main", "-i", "--profile=restricted", "--",
             "true"], stdin=subprocess.DEVNULL, stderr=output) as client:
        try:
            eventually(lambda: "Warning: container main: spec.shareProcessNamespace"
                       in said.read_text(), 60, "kubectl says why")
        finally:
            client.kill()
    failed = world.pod(pods, "shared").status
    assert (failed.phase, failed.reason) == ("Failed", "UnsupportedPodField")
