# SPDX-License-Identifier: Apache-2.0
"""What becomes of the containers of a pod that must end: hooks, signals, the grace period, a deadline.
What they did themselves is told to a pod that stays, over the network, since logs go with a group."""

import time

import pytest

import manifests
from polling import eventually, holds

# Each line that somebody sends is a line of its log.
LISTENER = ("printf '#!/bin/sh\\ncat >>/tmp/heard\\n' >/tmp/take; chmod +x /tmp/take; touch /tmp/heard; "
            "nc -ll -p 9000 -e /tmp/take & exec tail -f /tmp/heard")
# say WORD: until the listener took it.
SAY = 'say() {{ until echo "$1" | nc -w 1 {address} 9000; do sleep 0.1; done; }}; '
# A main process that obeys, and one that does not know the signal.
OBEYS = SAY + "trap 'say {name}-term; exit 0' TERM; say {name}-runs; while :; do sleep 0.1; done"
DEAF = SAY + "say {name}-runs; while :; do sleep 0.1; done"


@pytest.fixture(name="listener", scope="module")
def _listener(world, shared_namespace):
    world.apply(shared_namespace, manifests.pod("listener", manifests.shell(LISTENER)))
    address = eventually(lambda: world.pod(shared_namespace, "listener").status.pod_ip, 60,
                         "the listener has an address")
    eventually(lambda: world.pod(shared_namespace, "listener").status.phase == "Running", 60,
               "the listener runs")
    return address


def heard(world, namespace):
    return world.kubectl("logs", "-n", namespace, "listener").stdout.split()


def hears(world, namespace, word):
    eventually(lambda: word in heard(world, namespace), 60, f"the listener hears {word}")


def delete(world, namespace, name, *flags):
    world.kubectl("delete", "pod", "-n", namespace, name, "--wait=false", *flags)


def is_gone(world, namespace, name):
    eventually(lambda: name not in {pod.metadata.name for pod in world.pods(namespace)}, 60,
               f"{name} is gone")


def speaker(name, script, address, **fields):
    return manifests.shell(script.format(name=name, address=address), name=name, **fields)


def say_hook(word, address):
    return {"preStop": {"exec": {"command": ["/bin/sh", "-c",
                                             SAY.format(address=address) + f"say {word}"]}}}


def test_a_container_is_not_ready_before_its_post_start_hook(world, shared_namespace, listener):
    hook = SAY.format(address=listener) + "until [ -e /tmp/go ]; do sleep 0.1; done; say warm"
    world.apply(shared_namespace, manifests.pod("warming", speaker(
        "warming", OBEYS, listener,
        lifecycle={"postStart": {"exec": {"command": ["/bin/sh", "-c", hook]}}}),
        restartPolicy="Never"))
    hears(world, shared_namespace, "warming-runs")
    eventually(lambda: world.pod(shared_namespace, "warming").status.pod_ip, 60, "it has an address")
    status = eventually(lambda: (lambda s: s if s.container_statuses[0].state.waiting.reason ==
                                 "PostStartHookRunning" else None)(
        world.pod(shared_namespace, "warming").status), 60, "its hook runs")
    assert status.phase == "Pending"
    world.kubectl("exec", "-n", shared_namespace, "warming", "--", "touch", "/tmp/go")
    hears(world, shared_namespace, "warm")
    eventually(lambda: world.pod(shared_namespace, "warming").status.phase == "Running", 60, "runs")
    assert heard(world, shared_namespace).count("warm") == 1


def test_hook_signal_and_sidecars_come_in_their_order(world, shared_namespace, listener):
    sidecar = speaker("side", OBEYS, listener, restartPolicy="Always")
    main = speaker("main", OBEYS, listener, lifecycle=say_hook("main-hook", listener))
    world.apply(shared_namespace, manifests.pod("ordered", main, initContainers=[sidecar], restartPolicy="Never",
                                                terminationGracePeriodSeconds=600))
    for word in ("main-runs", "side-runs"):
        hears(world, shared_namespace, word)
    eventually(lambda: world.pod(shared_namespace, "ordered").status.phase == "Running", 60, "runs")
    began = time.monotonic()
    delete(world, shared_namespace, "ordered")
    is_gone(world, shared_namespace, "ordered")
    assert time.monotonic() - began < 300
    expected = ["main-hook", "main-term", "side-term"]
    for word in expected:
        hears(world, shared_namespace, word)
    assert [word for word in heard(world, shared_namespace) if word in expected] == expected


def test_who_does_not_know_the_signal_has_the_grace_period(world, shared_namespace, listener):
    world.apply(shared_namespace, manifests.pod("deaf", speaker("deaf", DEAF, listener),
                                                restartPolicy="Never",
                                                terminationGracePeriodSeconds=600))
    hears(world, shared_namespace, "deaf-runs")
    eventually(lambda: world.pod(shared_namespace, "deaf").status.phase == "Running", 60, "runs")
    began = time.monotonic()
    delete(world, shared_namespace, "deaf")
    eventually(lambda: world.pod(shared_namespace, "deaf").metadata.deletion_timestamp, 60,
               "its deletion began")
    # A shorter period than the one that runs counts from now.
    delete(world, shared_namespace, "deaf", "--grace-period=4")
    is_gone(world, shared_namespace, "deaf")
    assert time.monotonic() - began > 3
    assert not [group for group in world.groups_of(shared_namespace) if "-deaf-" in group["name"]]


def test_a_deadline_ends_the_pod_and_its_status_stays(world, shared_namespace, listener):
    world.apply(shared_namespace, manifests.pod("overdue", speaker("late", OBEYS, listener),
                                                restartPolicy="Never",
                                                activeDeadlineSeconds=600))
    hears(world, shared_namespace, "late-runs")
    eventually(lambda: world.pod(shared_namespace, "overdue").status.phase == "Running", 60, "runs")
    world.core.patch_namespaced_pod("overdue", shared_namespace,
                                    {"spec": {"activeDeadlineSeconds": 1}})
    pod = eventually(lambda: (lambda p: p if p.status.phase == "Failed" else None)(
        world.pod(shared_namespace, "overdue")), 60, "the pod fails")
    assert pod.status.reason == "DeadlineExceeded"
    hears(world, shared_namespace, "late-term")
    eventually(lambda: not [group for group in world.groups_of(shared_namespace)
                            if "-overdue-" in group["name"]], 60, "its group is gone")
    eventually(lambda: any(event.reason == "DeadlineExceeded"
                           for event in world.events(shared_namespace, "overdue")), 60, "it is told")


def test_an_image_without_a_shell_goes_at_once_and_says_so(world, shared_namespace):
    world.apply(shared_namespace, manifests.pod("bare", manifests.container(
        "main", "aci-kubelet/no-shell:1.0", command=["/bin/sleep", "1000"]),
        terminationGracePeriodSeconds=600))
    eventually(lambda: world.pod(shared_namespace, "bare").status.phase == "Running", 60, "runs")
    delete(world, shared_namespace, "bare")
    is_gone(world, shared_namespace, "bare")
    eventually(lambda: any(event.reason == "NoTerminationSignal"
                           for event in world.events(shared_namespace, "bare")), 60, "it is told")


def test_a_new_image_is_one_update_of_the_group(world, shared_namespace):
    world.apply(shared_namespace, manifests.pod("patched", manifests.shell(
        "trap 'exit 0' TERM; while :; do sleep 0.1; done")))
    before = eventually(lambda: (lambda p: p if p.status.phase == "Running" else None)(
        world.pod(shared_namespace, "patched")), 60, "runs")

    def group():
        return next(group for group in world.groups_of(shared_namespace)
                    if "-patched-" in group["name"])

    def puts():
        return sum(count for name, count in world.puts().items() if "-patched-" in name)
    name = group()["name"]
    assert puts() == 1
    world.core.patch_namespaced_pod("patched", shared_namespace, {"spec": {"containers": [
        {"name": "main", "image": "aci-kubelet/dash:1.0"}]}})

    def updated():
        status = world.pod(shared_namespace, "patched").status.container_statuses[0]
        return (status.state.running and "dash" in status.image and status.image_id
                and status.image_id != before.status.container_statuses[0].image_id)
    eventually(updated, 60, "the new image runs")
    after = world.pod(shared_namespace, "patched")
    assert after.metadata.uid == before.metadata.uid and after.status.phase == "Running"
    assert group()["name"] == name and puts() == 2
    # The next process sees that it was done.
    world.kill_kubelet()
    world.start_kubelet()
    eventually(lambda: world.kubectl("exec", "-n", shared_namespace, "patched", "--", "true").returncode
               == 0, 60, "the next process knows the pod")
    holds(lambda: puts() == 2, 3, "no other PUT is sent")


def test_a_resize_is_pending_for_good_and_says_why(world, shared_namespace):
    def container(cpu):
        return {"name": "main", "resources": {"requests": {"cpu": cpu, "memory": "128Mi"}}}
    world.apply(shared_namespace, manifests.pod("resized", {**manifests.shell("exec sleep 3600"),
                                                            **container("250m")}))
    eventually(lambda: world.pod(shared_namespace, "resized").status.phase == "Running", 60, "runs")

    def resize(cpu):
        world.core.patch_namespaced_pod_resize("resized", shared_namespace,
                                               {"spec": {"containers": [container(cpu)]}})

    def pending():
        return [c for c in world.pod(shared_namespace, "resized").status.conditions
                if c.type == "PodResizePending"]
    resize("500m")
    (condition,) = eventually(pending, 60, "the condition is set")
    assert (condition.status, condition.reason) == ("True", "Infeasible")
    assert "containers[main].resources: infeasible" in condition.message
    status = world.pod(shared_namespace, "resized").status.container_statuses[0]
    assert status.resources.requests["cpu"] == "250m" and status.restart_count == 0
    resize("250m")
    eventually(lambda: not pending(), 60, "the condition goes")
