# SPDX-License-Identifier: Apache-2.0
"""ACI's limits on creations, a hundred times as fast, in a service that enforces them: pods wait for their
turn, and next to no request is refused."""

import json
import time
import urllib.request

import pytest

from own_kubelet import Kubelet
from polling import eventually
from simulated import pod

NODE = "limited"
PORTS = {"PORT_ACI": "8543", "PORT_ACI_CONTROL": "9543"}
# 100 in 5 minutes and 300 in an hour: the second window is the one that a burst of 12 waits for. It is long
# enough for a deletion on a machine that is busy.
WINDOWS, PODS, BOUND_SECONDS = "4/3s,10/20s", 12, 20


@pytest.fixture(name="stats")
def _stats(world, tmp_path):
    """A service and a node of their own, which outlive the namespace of the case; gives what asks the
    service for what it counted."""
    (tmp_path / "netns").write_text((world.folder / "netns").read_text())
    world.script("emulator", "up", tmp_path, "--engine", "simulated", "--start-latency", "100ms",
                 "--arm-buckets", "on", "--create-limits", WINDOWS, **PORTS)
    arm = f"https://10.240.0.3:{PORTS['PORT_ACI']}"
    kubelet = Kubelet(world, tmp_path, NODE, azure=True, arm_endpoint=arm, authority_host=arm,
                      azure_ca_file=tmp_path / "aci/ca.crt", create_limits=WINDOWS)

    def ask():
        with urllib.request.urlopen(f"http://127.0.0.1:{PORTS['PORT_ACI_CONTROL']}/stats",
                                    timeout=60) as answer:
            return json.load(answer)

    try:
        yield ask
    finally:
        kubelet.stop()
        world.script("emulator", "down", tmp_path, **PORTS)
        world.kubectl("delete", "node", "--ignore-not-found", NODE)


def limited(name):
    manifest = pod(name, "serve")
    manifest["spec"]["nodeName"] = NODE
    return manifest


def test_creations_wait_for_their_turn_and_deletions_do_not(world, stats, namespace):
    names = [f"pod-{number:02}" for number in range(PODS)]
    began = time.monotonic()
    world.apply(namespace, *map(limited, names))

    def running():
        return {one.metadata.name for one in world.pods(namespace) if one.status.phase == "Running"}

    first = eventually(running, 60, "the first pods run").pop()
    # By force: its containers are not asked to end first.
    world.core.delete_namespaced_pod(first, namespace, grace_period_seconds=0)

    def deleted():
        now = stats()
        return now if now["operations"].get("ContainerGroups_Delete") else None

    counted = eventually(deleted, 90, "the group of a pod that is deleted goes")
    assert len(counted["groupPuts"]) < PODS, "while others wait"
    eventually(lambda: len(running()) == PODS - 1, 60, "all others run")
    assert time.monotonic() - began >= BOUND_SECONDS
    counted = stats()
    assert sorted(counted["groupPuts"].values()) == [1] * PODS
    # One at most, where this machine held up one clock and not the other.
    assert counted["throttled"]["creates"] <= 1
