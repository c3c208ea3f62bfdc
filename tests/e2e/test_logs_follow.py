# SPDX-License-Identifier: Apache-2.0
"""kubectl logs -f: each line once, in order and soon, until that run of the container ends; and what
there is of former runs."""

import subprocess
import time
import zlib

import pytest

import manifests
from polling import eventually

# Gates of a script: it goes on once the test made the file.
GATE = "pass() { until [ -e /scratch/$1 ]; do sleep 0.1; done; }; "
LINES = ("lines() { i=$1; while [ $i -le $2 ]; do "
         "echo line $i, long enough that ACI keeps few of them; i=$((i+1)); done; }; ")


class Follower:
    """A pod, and a kubectl that follows its log."""

    def __init__(self, world, namespace, name, script, *flags, policy="Never", after=""):
        """after: what the log shows before kubectl comes."""
        self.world, self.namespace, self.name = world, namespace, name
        world.apply(namespace, manifests.pod(
            name, manifests.shell(GATE + LINES + script, volumeMounts=[
                {"name": "scratch", "mountPath": "/scratch"}]),
            volumes=[{"name": "scratch", "emptyDir": {}}], restartPolicy=policy,
            terminationGracePeriodSeconds=0))
        eventually(lambda: (text := world.kubectl("logs", "-n", namespace, name, check=False).stdout)
                   and after in text, 60, "the container writes")
        streams = self.count("LogStream")
        self.process = subprocess.Popen(
            [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "logs", "-f",
             "-n", namespace, name, *flags], stdout=subprocess.PIPE, text=True)
        self.is_attached = lambda: self.count("LogStream") > streams

    def count(self, operation):
        return self.world.control_get("/stats")["operations"].get(operation, 0)

    def open(self, gate):
        self.world.kubectl("exec", "-n", self.namespace, self.name, "--", "touch",
                           f"/scratch/{gate}")

    def begin(self):
        """Of a script that says "start", "one" behind gate one, and more behind gate two. What is
        read after the attachment stands tells where in it the log stands."""
        assert self.line() == "start"
        eventually(self.is_attached, 60, "the log is attached to")
        self.open("one")
        assert self.line() == "one"
        self.open("two")

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def rest(self, timeout=90):
        """What comes until kubectl ends by itself."""
        text = self.process.communicate(timeout=timeout)[0]
        assert self.process.returncode == 0
        return text.splitlines()

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(name="follow")
def _follow(world, shared_namespace, request):
    """Starts one; the pod is left to the end of the file."""
    name = f"talker-{zlib.crc32(request.node.name.encode()):08x}"
    started = []

    def start(*arguments, **options):
        started.append(Follower(world, shared_namespace, name, *arguments, **options))
        return started[-1]
    yield start
    for follower in started:
        follower.close()
        world.kubectl("delete", "pod", "-n", shared_namespace, name, "--wait=false")


@pytest.fixture(name="replay", params=["none", "all"])
def _replay(request, world):
    """Whether ACI's attach begins with what was written before is not documented."""
    world.control_post("/attach", {"replay": request.param})
    yield request.param
    world.control_post("/attach", {"replay": "none"})


def refuse_attach(world):
    """Once: the next attempt is half a minute later."""
    world.control_post("/faults", {"operation": "Containers_Attach", "group": "*", "count": 1,
                                   "action": {"status": 403, "code": "AuthorizationFailed",
                                              "message": "no right to attach"}})


def numbered(first, last):
    return [f"line {i}, long enough that ACI keeps few of them" for i in range(first, last + 1)]


@pytest.mark.usefixtures("replay")
def test_no_line_is_lost_and_none_comes_twice(follow):
    """1,000 lines a second for 3 s, then at once many more than ACI keeps of what ended."""
    follower = follow("echo start; pass one; echo one; pass two; n=1; while [ $n -lt 3000 ]; do "
                      "lines $n $((n+99)); n=$((n+100)); usleep 90000; done; lines 3001 5500")
    follower.begin()
    assert follower.rest() == numbered(1, 5500)


def test_lines_come_at_once_with_few_reads(follow):
    follower = follow("echo start; pass go; n=0; while [ ! -e /scratch/end ]; do n=$((n+1)); "
                      "echo tick $n; sleep 0.5; done")
    assert follower.line() == "start"
    eventually(follower.is_attached, 60, "the log is attached to")
    began, before = time.monotonic(), follower.count("Containers_ListLogs")
    follower.open("go")
    # Two lines a second make as many reads, where polls are every 2 s.
    reads = shown = seconds = 0
    while reads <= seconds / 2 + 3:
        assert seconds < 240, f"{reads} reads in {seconds} s"
        shown += 1
        assert follower.line() == f"tick {shown}"
        seconds = time.monotonic() - began
        reads = follower.count("Containers_ListLogs") - before
    # Never more than 4 a second.
    assert reads < 4 * (time.monotonic() - began) + 3
    follower.open("end")
    rest = follower.rest()
    assert rest == [f"tick {n}" for n in range(shown + 1, shown + 1 + len(rest))]


def test_without_attach_the_log_is_polled(world, follow):
    refuse_attach(world)
    follower = follow("echo early 1; echo early 2; echo early 3; pass go; echo late; pass end",
                      "--tail=1", "--timestamps", after="early 3\n")
    lines = [follower.line()]
    follower.open("go")
    lines.append(follower.line())
    whole = world.kubectl("logs", "--timestamps", "-n", follower.namespace, follower.name).stdout
    follower.open("end")
    assert follower.rest() == []
    assert [line.split(" ", 1)[1] for line in lines] == ["early 3", "late"]
    assert all(f"{line}\n" in whole for line in lines), "times are those of the log"


def test_following_ends_with_that_run_of_the_container(world, follow):
    follower = follow("echo start; pass one; echo one; pass two; rm /scratch/two; echo bye; exit 3",
                      policy="Always")
    follower.begin()
    assert follower.rest() == ["bye"]

    def restarts():
        return world.pod(follower.namespace, follower.name).status.container_statuses[0].restart_count
    eventually(restarts, 60, "the container runs again")
    said = world.kubectl("logs", "-p", "-n", follower.namespace, follower.name, check=False)
    assert said.returncode != 0
    assert "the log before it is gone" in said.stderr


def test_there_is_no_former_run_of_a_container_that_never_ended(world, follow):
    follower = follow("echo up; pass end")
    said = world.kubectl("logs", "-p", "-n", follower.namespace, follower.name, check=False)
    assert said.returncode != 0
    assert (f'previous terminated container "main" in pod "{follower.name}" not found'
            in said.stderr)


def test_a_client_that_leaves_ends_its_reads(follow):
    follower = follow("echo up; while :; do sleep 0.3; echo more; done")
    assert follower.line() == "up"
    eventually(follower.is_attached, 60, "the log is attached to")
    follower.close()
    before = follower.count("Containers_ListLogs")

    def settled():
        nonlocal before
        last, before = before, follower.count("Containers_ListLogs")
        return before == last
    # A follower would read several times between two looks.
    eventually(settled, 60, "the log is not read any more", every=3)
