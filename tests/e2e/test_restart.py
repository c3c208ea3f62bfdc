# SPDX-License-Identifier: Apache-2.0
"""The kubelet dies and comes back: nothing that runs may notice."""

import manifests
from polling import eventually, holds


def running(world, namespace, count):
    pods = [pod for pod in world.pods(namespace)
            if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None
            and all(status.state.running for status in pod.status.container_statuses or [])]
    return pods if len(pods) == count else None


def start_times(pods):
    return {pod.metadata.name: [status.state.running.started_at
                                for status in pod.status.container_statuses] for pod in pods}


def container_starts(world, namespace):
    """What the engine knows: group -> the start of each container."""
    uids = {pod.metadata.uid for pod in world.pods(namespace)}
    return {group["name"]: [container["startTime"] for container in group["containers"]]
            for group in world.control_get("/groups")["groups"]
            if uids.intersection((group.get("tags") or {}).values())}


def test_kill_and_restart_keeps_every_group_and_container(world, namespace):
    world.apply(namespace, manifests.deployment("kept", 4, manifests.web()))
    before = eventually(lambda: running(world, namespace, 4), 60, "4 pods run")
    groups = {group["name"] for group in world.groups_of(namespace)}
    starts, puts = container_starts(world, namespace), world.puts()
    assert len(groups) == 4 and len(starts) == 4

    world.kill_kubelet()
    world.start_kubelet()

    # Longer than a sweep for orphans and a tracking round: a late mistake shows here.
    holds(lambda: {group["name"] for group in world.groups_of(namespace)} == groups, 15,
          "the groups are the same")
    after = eventually(lambda: running(world, namespace, 4), 90, "4 pods run")
    assert {pod.metadata.uid for pod in after} == {pod.metadata.uid for pod in before}
    assert start_times(after) == start_times(before)
    assert container_starts(world, namespace) == starts
    assert world.puts() == puts, "not one PUT more"


def test_what_happened_while_the_kubelet_was_away_is_caught_up(world, namespace):
    world.apply(namespace, manifests.deployment("away", 3, manifests.web()))
    eventually(lambda: running(world, namespace, 3), 60, "3 pods run")
    before = start_times(world.pods(namespace))
    world.kill_kubelet()
    world.kubectl("scale", "-n", namespace, "deployment/away", "--replicas=1")
    world.apply(namespace, manifests.pod("late", manifests.web()))
    eventually(lambda: world.pod(namespace, "late").spec.node_name, 90, "the late pod is bound")
    world.start_kubelet()
    pods = eventually(lambda: running(world, namespace, 2), 60, "the kept and the late pod run")
    assert "late" in [pod.metadata.name for pod in pods]
    kept = [pod for pod in pods if pod.metadata.name != "late"]
    assert start_times(kept) == {kept[0].metadata.name: before[kept[0].metadata.name]}
    eventually(lambda: len(world.pods(namespace)) == 2, 60, "the pods that were scaled in are gone")
    eventually(lambda: len(world.groups_of(namespace)) == 2, 90, "and so are their groups")


def test_kill_while_pods_are_created_gives_each_exactly_one_group(world, namespace):
    world.apply(namespace, manifests.deployment("torn", 6, manifests.web()))
    eventually(lambda: world.groups_of(namespace), 90, "the first group is there")
    world.kill_kubelet()
    world.start_kubelet()
    eventually(lambda: running(world, namespace, 6), 60, "6 pods run")
    assert len(world.groups_of(namespace)) == 6
    uids = [uid for pod in world.pods(namespace) for uid in [pod.metadata.uid]]
    for uid in uids:
        assert len([group for group in world.groups_of(namespace)
                    if uid in group["tags"].values()]) == 1
