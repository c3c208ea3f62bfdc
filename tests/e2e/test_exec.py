# SPDX-License-Identifier: Apache-2.0
"""kubectl exec, attach and cp: from the client through the API server and the kubelet port into a
real container."""

import concurrent.futures
import fcntl
import hashlib
import os
import pty
import struct
import subprocess
import termios

import kubernetes
import kubernetes.stream
import pytest

import manifests
from polling import eventually

# kubectl speaks websocket to the API server, and SPDY where it is told so.
PROTOCOLS = {"websocket": {}, "spdy": {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}}


class Box:
    """A pod that does nothing but run, for commands beside its process."""

    def __init__(self, world, namespace):
        self.world, self.namespace = world, namespace
        world.apply(namespace, manifests.pod("box", manifests.shell(
            "trap 'exit 0' TERM; while :; do sleep 1; done",
            volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}]),
            volumes=[{"name": "scratch", "emptyDir": {}}], restartPolicy="Never"))
        eventually(lambda: world.pod(namespace, "box").status.phase == "Running", 60, "it runs")

    def arguments(self, *arguments):
        return [str(self.world.bin / "kubectl"), "--kubeconfig", str(self.world.kubeconfig),
                "-n", self.namespace, *arguments]

    def run(self, *arguments, stdin=b"", env=None, timeout=60):
        return subprocess.run(self.arguments(*arguments), input=stdin, capture_output=True,
                              timeout=timeout, check=False, env=dict(os.environ, **(env or {})))

    def exec(self, *command, flags=(), **options):
        return self.run("exec", *flags, "box", "--", *command, **options)


@pytest.fixture(name="box")
def _box(world, namespace):
    return Box(world, namespace)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_exit_code_and_streams(box, protocol):
    run = box.exec("sh", "-c", "echo out; echo err >&2; exit 37", env=PROTOCOLS[protocol])
    assert run.returncode == 37
    assert run.stdout == b"out\n"
    assert run.stderr == b"err\ncommand terminated with exit code 37\n"


def test_success_says_nothing(box):
    run = box.exec("true")
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_arguments_arrive_intact(box):
    words = ["a", "b c", "$x", "", "it's", 'say "hi"', "back\\slash", "line\nbreak", "*", "é", "-n",
             "`date`", ";", "--"]
    run = box.exec("sh", "-c", 'for word; do printf "<%s>" "$word"; done', "name", *words)
    assert run.stdout.decode() == "".join(f"<{word}>" for word in words)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_input_comes_back_byte_for_byte(box, protocol):
    data = os.urandom(2_000_000)
    run = box.exec("cat", flags=["-i"], stdin=data, env=PROTOCOLS[protocol], timeout=90)
    assert run.returncode == 0, run.stderr
    assert hashlib.sha256(run.stdout).hexdigest() == hashlib.sha256(data).hexdigest()


def test_both_outputs_at_once_are_whole(box):
    script = ("dd if=/dev/zero bs=10000 count=100 2>/dev/null | tr '\\0' o & "
              "dd if=/dev/zero bs=10000 count=100 2>/dev/null | tr '\\0' e >&2; wait")
    run = box.exec("sh", "-c", script, timeout=90)
    assert run.returncode == 0
    assert run.stdout == b"o" * 1_000_000
    assert run.stderr == b"e" * 1_000_000


def test_output_is_live_and_the_end_of_input_is_seen(box):
    process = subprocess.Popen(box.arguments("exec", "-i", "box", "--", "cat"),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in (b"one\n", b"two\n"):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline() == line
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_idle_input_does_not_keep_a_command(box):
    reading, writing = os.pipe()
    with subprocess.Popen(box.arguments("exec", "-i", "box", "--", "true"), stdin=reading) as run:
        assert run.wait(timeout=30) == 0
    os.close(reading)
    os.close(writing)


def test_missing_program_is_an_error(box):
    run = box.exec("no-such-program")
    assert run.returncode != 0
    assert b"no-such-program" in run.stderr + run.stdout


def test_container_and_pod_that_are_none(world, namespace, box):
    assert box.run("exec", "box", "-c", "other", "--", "true").returncode != 0
    assert world.kubectl("exec", "-n", namespace, "none", "--", "true",
                         check=False).returncode != 0


class Terminal:
    """A kubectl with a terminal of our own."""

    def __init__(self, arguments, rows, columns):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(
                                            0, termios.TIOCSCTTY, 0))
        os.close(slave)
        os.set_blocking(self.master, False)
        self.seen = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text)

    def read(self):
        try:
            while piece := os.read(self.master, 65536):
                self.seen += piece
        except (BlockingIOError, OSError):
            pass
        return self.seen

    def expect(self, text, timeout=30):
        eventually(lambda: text in self.read(), timeout, f"the terminal shows {text!r}")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_terminal_has_the_clients_size(box):
    terminal = Terminal(box.arguments("exec", "-it", "box", "--", "sh"), 33, 111)
    try:
        terminal.type(b"stty size; echo re''ady\r")
        terminal.expect(b"33 111")
        terminal.expect(b"ready")
        # Ctrl-C ends the command, not the shell.
        terminal.type(b"sleep 1000\r")
        terminal.expect(b"sleep 1000")
        terminal.type(b"\x03")
        terminal.type(b"echo al''ive; exit 5\r")
        terminal.expect(b"alive")
        assert terminal.process.wait(timeout=30) == 5
    finally:
        terminal.close()


def test_cp_both_ways(box, tmp_path):
    data = os.urandom(500_000)
    (tmp_path / "in").write_bytes(data)
    run = box.run("cp", str(tmp_path / "in"), "box:/scratch/file")
    assert run.returncode == 0, run.stderr
    run = box.run("cp", "box:/scratch/file", str(tmp_path / "out"))
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out").read_bytes() == data


def test_many_at_once(box):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        runs = list(pool.map(lambda n: box.exec("sh", "-c", f"echo {n}; exit {n}"), range(10)))
    assert [run.returncode for run in runs] == list(range(10))
    assert [run.stdout for run in runs] == [f"{n}\n".encode() for n in range(10)]


def test_python_client_speaks_websocket_to_the_kubelet(world, namespace, box):
    """Its version 4 is passed through by the API server as it is."""
    assert box
    # A client of its own: the stream function changes the one that it is given.
    core = kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(str(world.kubeconfig)))
    answer = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, "box", namespace,
        command=["sh", "-c", "echo out; echo err >&2; exit 4"], stdin=False, stdout=True,
        stderr=True, tty=False, _preload_content=False)
    answer.run_forever(timeout=30)
    assert answer.read_stdout() == "out\n"
    assert answer.read_stderr() == "err\n"
    assert answer.returncode == 4


def test_a_client_that_leaves_ends_its_process(box):
    process = subprocess.Popen(box.arguments("exec", "-i", "box", "--", "sh", "-c",
                                             "echo up; exec sleep 4242"),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    eventually(lambda: b"4242" not in box.exec("ps").stdout, 30, "the process has ended")


def test_attach_shows_output_live(world, namespace):
    world.apply(namespace, manifests.pod("talker", manifests.shell(
        "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo tick $i; sleep 0.2; done")))
    eventually(lambda: world.pod(namespace, "talker").status.phase == "Running", 60, "it runs")
    process = subprocess.Popen(
        [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "-n", namespace,
         "attach", "talker"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        lines = [process.stdout.readline() for _ in range(5)]
        numbers = [int(line.split()[1]) for line in lines]
        assert numbers == list(range(numbers[0], numbers[0] + 5))
    finally:
        process.kill()
        process.wait()
