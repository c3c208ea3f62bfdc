# SPDX-License-Identifier: Apache-2.0
"""kubectl logs -f: each line once, in order, until the container ends."""

import subprocess

import manifests
from polling import eventually


def started(world, namespace, name):
    return world.kubectl("logs", "-n", namespace, name, check=False).stdout


def test_follow_gives_each_line_once_until_the_container_ends(world, namespace):
    script = "for i in $(seq 1 12); do echo line $i; sleep 0.5; done"
    world.apply(namespace, manifests.pod("counter", manifests.shell(script), restartPolicy="Never"))
    eventually(lambda: started(world, namespace, "counter"), 60, "the container writes")
    run = world.kubectl("logs", "-f", "-n", namespace, "counter", timeout=60)
    assert run.stdout.splitlines() == [f"line {i}" for i in range(1, 13)]
    assert run.stderr == ""


def test_follow_starts_at_the_tail_and_keeps_timestamps(world, namespace):
    script = "echo early 1; echo early 2; echo early 3; sleep 6; echo late; sleep 4"
    world.apply(namespace, manifests.pod("tail", manifests.shell(script), restartPolicy="Never"))
    eventually(lambda: started(world, namespace, "tail"), 60, "the container writes")
    run = world.kubectl("logs", "-f", "--tail=1", "--timestamps", "-n", namespace, "tail",
                        timeout=60)
    lines = [line.split(" ", 1) for line in run.stdout.splitlines()]
    assert [text for _, text in lines] == ["early 3", "late"]
    whole = world.kubectl("logs", "--timestamps", "-n", namespace, "tail").stdout
    assert all(f"{time} {text}" in whole for time, text in lines), "times are those of the log"


def test_a_client_that_leaves_ends_its_reads(world, namespace):
    world.apply(namespace, manifests.pod("quiet", manifests.shell("echo up; exec sleep 3600")))
    eventually(lambda: started(world, namespace, "quiet"), 60, "the container writes")
    client = subprocess.Popen(
        [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "logs", "-f", "-n",
         namespace, "quiet"], stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "up\n"
    client.kill()
    client.wait()
    reads = lambda: world.control_get("/stats")["operations"].get("Containers_ListLogs", 0)
    before = reads()

    def settled():
        nonlocal before
        last, before = before, reads()
        return before == last
    # Polls come every 2 s: two looks that far apart see no further one.
    eventually(settled, 30, "the log is not read any more", every=5)
