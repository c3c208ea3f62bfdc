# SPDX-License-Identifier: Apache-2.0
"""kubectl exec, attach and cp: from the client through the API server and the kubelet port into
real containers, whose shells are busybox, dash and bash, and one that has none."""

import concurrent.futures
import hashlib
import os
import subprocess
import time

import kubernetes
import kubernetes.stream
import pytest

import manifests
from polling import eventually, holds
from terminal import Terminal

# kubectl speaks websocket to the API server, and SPDY where it is told so.
PROTOCOLS = {"websocket": {}, "spdy": {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}}
IMAGES = {"busybox": "busybox", "dash": "aci-kubelet/dash:1.0", "bash": "aci-kubelet/bash:1.0"}
ENOUGH = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}


class Box:
    """Pods that do nothing but run, for commands beside their processes."""

    def __init__(self, world, namespace):
        self.world, self.namespace = world, namespace
        scratch = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                   "resources": ENOUGH}
        pods = [manifests.pod(name, manifests.container("main", image, command=["sleep", "100000"],
                                                        **scratch),
                              volumes=[{"name": "scratch", "emptyDir": {}}],
                              restartPolicy="Never", terminationGracePeriodSeconds=0)
                for name, image in {**IMAGES, "no-shell": "aci-kubelet/no-shell:1.0"}.items()]
        world.apply(namespace, *pods)
        eventually(lambda: all(pod.status.phase == "Running" for pod in world.pods(namespace)), 120,
                   "all run")

    def arguments(self, *arguments):
        return [str(self.world.bin / "kubectl"), "--kubeconfig", str(self.world.kubeconfig),
                "-n", self.namespace, *arguments]

    def run(self, *arguments, stdin=b"", env=None, timeout=240):
        return subprocess.run(self.arguments(*arguments), input=stdin, capture_output=True,
                              timeout=timeout, check=False, env=dict(os.environ, **(env or {})))

    def exec(self, *command, pod="busybox", flags=(), **options):
        return self.run("exec", *flags, pod, "--", *command, **options)

    def start(self, *arguments, **options):
        return subprocess.Popen(self.arguments(*arguments), stdout=subprocess.PIPE, **options)

    def processes(self):
        return self.exec("ps").stdout


@pytest.fixture(scope="module", name="box")
def _box(world, shared_namespace):
    return Box(world, shared_namespace)


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- commands ---------------------------------------------------------------------------------

@pytest.mark.parametrize("pod", IMAGES)
def test_exit_code_streams_and_arguments(box, pod):
    words = ["a", "b c", "$x", "", "it's", 'say "hi"', "back\\slash", "line\nbreak", "*", "é", "-n",
             "`date`", ";", "--"]
    script = 'for word; do printf "<%s>" "$word"; done; echo err >&2; exit 37'
    run = box.exec("sh", "-c", script, "name", *words, pod=pod)
    assert run.stdout.decode() == "".join(f"<{word}>" for word in words)
    assert run.stderr == b"err\ncommand terminated with exit code 37\n"
    assert run.returncode == 37


def test_success_says_nothing_by_spdy_too(box):
    run = box.exec("true", env=PROTOCOLS["spdy"])
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


@pytest.mark.parametrize("pod, protocol", [("busybox", "websocket"), ("busybox", "spdy"),
                                           ("dash", "websocket"), ("bash", "websocket")])
def test_input_comes_back_byte_for_byte(box, full, pod, protocol):
    size = 100_000_000 if full else 500_000
    data = os.urandom(size)
    began = time.monotonic()
    run = box.exec("cat", pod=pod, flags=["-i"], stdin=data, env=PROTOCOLS[protocol], timeout=600)
    print(f"{size / (time.monotonic() - began) / 1e6:.1f} MB/s both ways")
    assert run.returncode == 0, run.stderr
    assert digest(run.stdout) == digest(data)


@pytest.mark.parametrize("pod", IMAGES)
def test_both_outputs_at_once_are_whole(box, full, pod):
    count = 2000 if full else 50
    script = (f"dd if=/dev/zero bs=10000 count={count} 2>/dev/null | tr '\\0' o & "
              f"dd if=/dev/zero bs=10000 count={count} 2>/dev/null | tr '\\0' e >&2; wait")
    run = box.exec("sh", "-c", script, pod=pod, timeout=600)
    assert run.returncode == 0
    assert digest(run.stdout) == digest(b"o" * 10_000 * count)
    assert digest(run.stderr) == digest(b"e" * 10_000 * count)


@pytest.mark.parametrize("pod", IMAGES)
def test_output_is_live_and_the_end_of_input_is_seen(box, pod):
    process = box.start("exec", "-i", pod, "--", "cat", stdin=subprocess.PIPE)
    for line in (b"one\n", b"two\n"):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline() == line
    process.stdin.close()
    assert process.wait(timeout=240) == 0


def test_idle_input_does_not_keep_a_command(box):
    reading, writing = os.pipe()
    with subprocess.Popen(box.arguments("exec", "-i", "busybox", "--", "true"),
                          stdin=reading) as run:
        assert run.wait(timeout=240) == 0
    os.close(reading)
    os.close(writing)


def test_what_a_command_leaves_running_does_not_keep_the_client(box):
    run = box.exec("sh", "-c", "sleep 3131 & echo started; exit 6")
    assert (run.stdout, run.returncode) == (b"started\n", 6)


@pytest.mark.parametrize("arguments, said", [
    (["exec", "busybox", "--", "no-such-program"], b"no-such-program"),
    (["exec", "no-shell", "--", "ls", "/"], b"no usable /bin/sh"),
    (["exec", "busybox", "-c", "other", "--", "true"], b"other"),
    (["exec", "none", "--", "true"], b"none"),
])
def test_what_can_not_run_is_an_error(box, arguments, said):
    run = box.run(*arguments)
    assert run.returncode != 0
    assert said in run.stderr


def test_many_at_once(box, full):
    count = 50 if full else 20
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        runs = list(pool.map(
            lambda n: box.exec("sh", "-c", f"echo {n}; exit {n}", timeout=240), range(count)))
    print(f"{count} execs in {time.monotonic() - began:.1f} s")
    assert [run.returncode for run in runs] == list(range(count))
    assert [run.stdout for run in runs] == [f"{n}\n".encode() for n in range(count)]


def test_cp_both_ways(box, tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "in").write_bytes(data)
    run = box.run("cp", str(tmp_path / "in"), "busybox:/scratch/file")
    assert run.returncode == 0, run.stderr
    run = box.run("cp", "busybox:/scratch/file", str(tmp_path / "out"))
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out").read_bytes() == data


def test_python_client_speaks_websocket_to_the_kubelet(world, box):
    """Its version 4 is passed through by the API server as it is."""
    # A client of its own: the stream function changes the one that it is given.
    core = kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(str(world.kubeconfig)))
    answer = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, "busybox", box.namespace,
        command=["sh", "-c", "echo out; echo err >&2; exit 4"], stdin=False, stdout=True,
        stderr=True, tty=False, _preload_content=False)
    answer.run_forever(timeout=240)
    assert answer.read_stdout() == "out\n"
    assert answer.read_stderr() == "err\n"
    assert answer.returncode == 4


def test_python_client_talks_to_a_command(world, box):
    """It reads one message whenever its socket is readable: of several in one TLS record the last
    ones would wait for what comes next."""
    core = kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(str(world.kubeconfig)))
    answer = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, "busybox", box.namespace,
        command=["sh", "-c", "echo err >&2; seq 2000; exec cat"], stdin=True, stdout=True,
        stderr=True, tty=False, _preload_content=False)
    assert [answer.readline_stdout(timeout=60) for _ in range(2000)] == [
        str(number) for number in range(1, 2001)]
    assert answer.readline_stderr(timeout=60) == "err"
    for line in ("one", "two"):
        answer.write_stdin(line + "\n")
        assert answer.readline_stdout(timeout=60) == line
    answer.close()


# --- terminals --------------------------------------------------------------------------------

@pytest.fixture(name="shell")
def _shell(box):
    command = " ".join(box.arguments("exec", "-it", "busybox", "--", "sh"))
    # What the client ends with stays on the screen.
    terminal = Terminal(["sh", "-c", f"{command}; echo client ended with $?; sleep 1000"], 24, 100)
    terminal.expect("/ $")
    yield terminal
    terminal.close()


def test_terminal_has_the_clients_size_and_follows_it(shell):
    shell.type("stty size", "Enter")
    shell.expect("24 100")
    shell.resize(30, 90)

    def resized():
        shell.type("stty size", "Enter")
        return "30 90" in shell.screen()
    eventually(resized, 60, "the new size arrived", every=1)


def test_interrupt_ends_the_command_alone(shell):
    # Ctrl-C ends the command, not the shell. Before the command runs in the foreground the
    # shell itself would take the signal, so the command tells when it does.
    shell.type("(echo st''arted; exec sleep 1000)", "Enter")
    shell.expect("started")
    shell.type("C-c")
    shell.type("echo al''ive", "Enter")
    shell.expect("alive")
    shell.type("exit 5", "Enter")
    shell.expect("client ended with 5")


def test_full_screen_program(box, shell):
    shell.type("vi /scratch/note", "Enter")
    # vi fills the screen to its last line.
    shell.expect("~\n" * 20)
    shell.type("i")
    shell.expect("I /scratch/note")
    shell.type("first", "Enter", "second")
    shell.expect("first\nsecond\n~")
    shell.type("Escape")
    # An escape and what follows it at once would be another key; vi says "-" when it took it, and
    # so it did before.
    shell.expect("- /scratch/note [Modified] 2/2")
    shell.type("Up", "0", "i", "very ")
    shell.expect("very first\nsecond\n~")
    shell.type("Escape")
    shell.expect("- /scratch/note [Modified] 1/2")
    shell.type(":wq", "Enter")
    shell.expect("/ $")
    shell.type("exit", "Enter")
    shell.expect("client ended with 0")
    assert box.exec("cat", "/scratch/note").stdout == b"very first\nsecond\n"


# --- clients that leave or stop ---------------------------------------------------------------

def test_a_client_that_leaves_ends_its_process(box):
    process = box.start("exec", "-i", "busybox", "--", "sh", "-c", "echo up; exec sleep 4242",
                        stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    assert b"4242" in box.processes()
    process.kill()
    process.wait()
    eventually(lambda: b"4242" not in box.processes(), 60, "the process has ended", every=1)


def test_a_client_that_stops_reading_stops_the_source(box):
    script = ("rm -f /scratch/steps; while dd if=/dev/zero bs=50000 count=1 2>/dev/null; do "
              "echo >>/scratch/steps; done")
    process = box.start("exec", "busybox", "--", "sh", "-c", script)

    def steps():
        return int(box.exec("sh", "-c", "wc -l </scratch/steps").stdout or 0)
    try:
        seen = 0

        def stands():
            nonlocal seen
            before, seen = seen, steps()
            return seen and before == seen
        eventually(stands, 120, "the source stands still", every=2)
        # It goes on where it stood.
        assert process.stdout.read(1_000_000) == b"\0" * 1_000_000
        stood = seen
        drained = 0

        def goes_on():
            nonlocal drained
            drained += len(process.stdout.read(1_000_000))
            return steps() > stood
        eventually(goes_on, 120, "the source goes on")
    finally:
        process.kill()
        process.wait()


# --- attach -----------------------------------------------------------------------------------

def test_attach_shows_output_live_and_says_that_it_takes_no_input(world, box):
    world.apply(box.namespace, manifests.pod("talker", manifests.shell(
        "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.5; done"),
        terminationGracePeriodSeconds=0))
    eventually(lambda: world.pod(box.namespace, "talker").status.phase == "Running", 60, "it runs")
    # An input that says nothing, as mostly that of kubectl run -i, is no harm.
    for flags in ([], ["-i"]):
        process = box.start("attach", *flags, "talker", stdin=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
        try:
            numbers = [int(process.stdout.readline().split()[1]) for _ in range(4)]
            assert numbers == list(range(numbers[0], numbers[0] + 4))
        finally:
            process.kill()
            process.wait()
    run = box.run("attach", "-i", "talker", stdin=b"x\n")
    assert run.returncode != 0
    assert b"no input" in run.stderr


def test_debug_ends_with_the_reason_and_leaves_the_pod_alone(box):
    result = box.run("debug", "-i", "dash", "--profile=restricted", "--image=busybox", "--", "true")
    assert result.returncode != 0
    assert b"can't add a container to a pod that runs" in result.stdout + result.stderr
    pod = box.world.pod(box.namespace, "dash")
    assert pod.status.phase == "Running" and pod.status.container_statuses[0].state.running
    ended = pod.status.ephemeral_container_statuses[0].state.terminated
    assert ended.reason == "EphemeralContainersUnsupported" and "kubectl exec" in ended.message
