# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what was sent to Azure is answered first, nothing new is sent, the Lease is given back, the
groups run on; the next process goes on where this one ended."""

import os
import signal

from polling import eventually
from simulated import HELD_MS, pod

PUT = "ContainerGroups_CreateOrUpdate"
ENDING = '"Ending; container groups keep running"'


def terminate(world):
    os.kill(world.kubelet_pid(), signal.SIGTERM)


def holder(world):
    return world.coordination.read_namespaced_lease(world.node, "kube-node-lease").spec.holder_identity


def is_running(world, namespace, name):
    return world.pod(namespace, name).status.phase == "Running"


def test_a_put_in_flight_is_neither_lost_nor_repeated(world, namespace):
    eventually(lambda: holder(world) == world.node, 60, "the lease is held")
    puts = world.requests(PUT)
    world.fault(PUT, delayMs=HELD_MS)
    world.apply(namespace, pod("slow", "serve"))
    eventually(lambda: world.requests(PUT) == puts + 1, 60, "the PUT has arrived")
    terminate(world)
    eventually(lambda: ENDING in world.log("aci-kubelet"), 60, "the signal was seen")
    # Bound after the signal: its group is the next process's matter.
    world.apply(namespace, pod("late", "serve"))
    world.clear_faults()
    eventually(world.is_kubelet_dead, 90, "the kubelet has ended")
    assert "Ending before all writes were answered" not in world.log("aci-kubelet")
    groups = world.engine_groups(namespace)
    assert [group["pod"] for group in groups.values()] == ["slow"]
    assert not holder(world)
    world.start_kubelet()
    eventually(lambda: is_running(world, namespace, "slow"), 60, "the first pod runs")
    eventually(lambda: is_running(world, namespace, "late"), 60, "the second pod runs")
    eventually(lambda: holder(world) == world.node, 60, "the lease is held again")
    after = world.engine_groups(namespace)
    for name, group in groups.items():
        assert after[name]["generation"] == group["generation"]
    assert set(world.puts_of(namespace).values()) == {1}


def test_a_second_signal_does_not_wait(world, namespace):
    puts = world.requests(PUT)
    world.fault(PUT, delayMs=HELD_MS)
    world.apply(namespace, pod("slow", "serve"))
    eventually(lambda: world.requests(PUT) == puts + 1, 60, "the PUT has arrived")
    terminate(world)
    eventually(lambda: ENDING in world.log("aci-kubelet"), 60, "the signal was seen")
    assert not world.is_kubelet_dead()
    terminate(world)
    eventually(world.is_kubelet_dead, 60, "the kubelet has ended without the answer")
    world.clear_faults()
    world.start_kubelet()
    eventually(lambda: is_running(world, namespace, "slow"), 90, "the pod runs")
