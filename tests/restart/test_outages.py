# SPDX-License-Identifier: Apache-2.0
"""Azure or the API server is away for a while: nothing that runs is touched or reported otherwise, nobody
hammers at the door, the scheduler is told, and all is caught up afterwards."""

import time

from polling import eventually, holds
from simulated import pod

TAINT = ("virtual-kubelet.io/provider-unreachable", "NoSchedule")


def is_running(world, namespace, name):
    return world.pod(namespace, name).status.phase == "Running"


def make_running(world, namespace, name):
    world.apply(namespace, pod(name, "serve"))
    eventually(lambda: is_running(world, namespace, name), 90, f"{name} runs")


def is_marked(world):
    """(condition ProviderUnreachable, the taint is there)"""
    node = world.core.read_node(world.node)
    condition = next(c.status for c in node.status.conditions if c.type == "ProviderUnreachable")
    return condition == "True", TAINT in [(t.key, t.effect) for t in node.spec.taints or []]


def told(world, reason):
    """How often Events of the node said it."""
    return sum(event.count or 1 for event in world.events("default", world.node)
               if event.reason == reason)


def ready(world):
    node = world.core.read_node(world.node)
    return next(c.status for c in node.status.conditions if c.type == "Ready")


def has_ended(world, namespace, name):
    """As the service knows it."""
    return any(group["state"] == "Succeeded" for group in world.control_get("/groups")["groups"]
               if (group["tags"] or {}).get("aci-kubelet-namespace") == namespace
               and group["tags"]["aci-kubelet-pod"] == name)


def requests(world):
    return sum(world.control_get("/stats")["operations"].values())


def test_azure_away_is_told_and_running_pods_keep_their_status(world, namespace):
    make_running(world, namespace, "stays")
    groups = world.engine_groups(namespace)
    assert is_marked(world) == (False, False)
    before = told(world, "ProviderUnreachable")
    world.control_post("/faults", {"count": 0, "action": {
        "status": 503, "code": "ServiceUnavailable", "message": "ordered by a test"}})
    eventually(lambda: is_marked(world) == (True, True), 90, "condition and taint are there")
    assert ready(world) == "True"
    eventually(lambda: told(world, "ProviderUnreachable") > before, 30, "an Event says it")
    world.apply(namespace, pod("waits", "serve"))
    before, began = requests(world), time.monotonic()
    holds(lambda: is_running(world, namespace, "stays") and
          world.pod(namespace, "waits").status.phase == "Pending", 12, "nothing else changes")
    # Half-open: one request each 10 s.
    asked = requests(world) - before
    assert asked <= 4 + (time.monotonic() - began) / 10
    # A process that starts while Azure is away leaves the mark where it is.
    world.restart_kubelet()
    holds(lambda: is_marked(world) == (True, True) and is_running(world, namespace, "stays"), 4,
          "a restart changes nothing")
    world.clear_faults()
    eventually(lambda: is_marked(world) == (False, False), 60, "condition and taint are gone")
    eventually(lambda: is_running(world, namespace, "waits"), 60, "the pod that waited runs")
    assert groups.items() <= world.engine_groups(namespace).items()


def test_entra_alone_away_is_told_and_caught_up_with(world, namespace):
    """ARM itself is well and takes no token but a new one."""
    make_running(world, namespace, "stays")
    groups, pid = world.engine_groups(namespace), world.kubelet_pid()
    before = told(world, "ProviderReachable")
    world.fault("Token", count=0, status=503, code="ServiceUnavailable", message="ordered by a test")
    world.expire_tokens()
    world.apply(namespace, pod("waits", "serve"))
    since, began = time.monotonic(), world.requests("Token")
    of_arm = requests(world) - began
    eventually(lambda: is_marked(world) == (True, True), 90, "condition and taint are there")
    assert ready(world) == "True"
    # Nobody asks ARM without a token, and Entra hears less and less: 1, 2, 4, 8, 10 ... s apart.
    asked = world.requests("Token") - began
    assert asked <= 5 + (time.monotonic() - since) / 7
    assert requests(world) - world.requests("Token") - of_arm <= 5
    assert is_running(world, namespace, "stays")
    assert world.pod(namespace, "waits").status.phase == "Pending"
    world.clear_faults()
    eventually(lambda: is_marked(world) == (False, False), 120, "condition and taint are gone")
    eventually(lambda: told(world, "ProviderReachable") > before, 30, "an Event says it")
    eventually(lambda: is_running(world, namespace, "waits"), 60, "the pod that waited runs")
    assert groups.items() <= world.engine_groups(namespace).items()
    assert world.kubelet_pid() == pid and not world.is_kubelet_dead()


def test_api_server_away_at_the_start_is_caught_up_with(world, namespace, full):
    """Ten minutes each with --full; else scaled: sweeps for orphans come every 2 s here."""
    make_running(world, namespace, "stays")
    world.apply(namespace, pod("ends", "sleep", "15", restartPolicy="Never"))
    eventually(lambda: is_running(world, namespace, "ends"), 90, "the second pod runs")
    groups = world.engine_groups(namespace)
    lease = world.coordination.read_namespaced_lease(world.node, "kube-node-lease").spec.renew_time
    cluster = world.core.read_namespace("kube-system").metadata.uid
    world.stop_api_server()
    try:
        # One that was told its cluster's id has nothing to ask before it may look at groups. Minutes
        # later the time of the group that ends would be over.
        for flags in ([], ["--cluster-id", cluster]):
            world.restart_kubelet("--finished-group-ttl", "1h", *flags, wait=False)
            before, began = requests(world), time.monotonic()
            holds(lambda: world.engine_groups(namespace) == groups, 600 if full else 6,
                  "no group is touched")
            asked = requests(world) - before
            assert asked <= 20 + 2 * (time.monotonic() - began)
        eventually(lambda: has_ended(world, namespace, "ends"), 60, "the container has ended")
    finally:
        world.start_api_server()
    eventually(lambda: world.pod(namespace, "ends").status.phase == "Succeeded", 60,
               "what ended meanwhile is told")
    eventually(lambda: world.coordination.read_namespaced_lease(
        world.node, "kube-node-lease").spec.renew_time > lease, 60, "the lease is renewed")
    eventually(lambda: ready(world) == "True", 60, "the node is Ready")
    assert is_running(world, namespace, "stays")
    assert world.engine_groups(namespace) == groups
