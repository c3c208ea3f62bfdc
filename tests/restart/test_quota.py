# SPDX-License-Identifier: Apache-2.0
"""A quota is reached: pods wait and say for what, the scheduler sends no more, and all goes on by itself
when there is room again. DaemonSets that tolerate everything cause no storm of failed pods."""

import pytest
from kubernetes.utils.quantity import parse_quantity

from polling import eventually
from simulated import pod

QUOTA = "ContainerGroupQuotaReached"


@pytest.fixture(name="quotas")
def _quotas(world):
    """Sets quotas; ends with room for the other cases."""
    before = world.control_get("/quotas")
    yield lambda **limits: world.control_post("/quotas", limits)
    world.control_post("/quotas", before)


def allocatable(world, resource):
    return parse_quantity(world.core.read_node(world.node).status.allocatable[resource])


def waiting(world, namespace, name):
    """(reason, message) of a pod that waits, as kubectl get shows it."""
    statuses = world.pod(namespace, name).status.container_statuses or []
    state = statuses[0].state.waiting if statuses else None
    return (state.reason, state.message) if state else (None, None)


def is_running(world, namespace, name):
    return world.pod(namespace, name).status.phase == "Running"


def scheduled_pod(name, label):
    """Not bound by us: the scheduler has to find room for it, on a node with that label."""
    unbound = pod(name, "serve", nodeSelector={"type": "virtual-kubelet", label: "seen"})
    del unbound["spec"]["nodeName"]
    return unbound


def is_unschedulable(world, namespace, name):
    conditions = world.pod(namespace, name).status.conditions or []
    return any(c.type == "PodScheduled" and c.reason == "Unschedulable" and
               "Too many pods" in c.message for c in conditions)


@pytest.mark.refused_puts
def test_pods_wait_for_a_quota_and_the_scheduler_sends_no_more(world, namespace, quotas):
    groups = len(world.groups())
    quotas(groups=groups + 1)
    world.apply(namespace, pod("fits", "serve"))
    eventually(lambda: is_running(world, namespace, "fits"), 90, "the first pod runs")
    world.apply(namespace, pod("waits", "serve"))
    eventually(lambda: waiting(world, namespace, "waits")[0] == QUOTA, 90, "the second pod waits")
    _, message = waiting(world, namespace, "waits")
    for part in ("'ContainerGroups'", f"Limit: '{groups + 1}'", f"Usage: '{groups + 1}'"):
        assert part in message
    eventually(lambda: allocatable(world, "pods") == groups + 1, 90, "the node offers no more")
    # A scheduler that knows the label knows what the node offers since then.
    world.core.patch_node(world.node, {"metadata": {"labels": {namespace: "seen"}}})
    world.apply(namespace, scheduled_pod("unbound", namespace))
    eventually(lambda: is_unschedulable(world, namespace, "unbound"), 90, "the scheduler keeps it")
    told = eventually(lambda: [event for event in world.events(namespace, "waits")
                               if event.reason == QUOTA], 60, "an Event tells")
    assert len(told) == 1 and "Limit: " in told[0].message
    assert world.pod(namespace, "waits").status.phase == "Pending"
    # Somebody asked Azure for more.
    quotas(groups=1000)
    eventually(lambda: is_running(world, namespace, "waits"), 90, "the pod that waited runs")
    eventually(lambda: is_running(world, namespace, "unbound"), 90, "the scheduler sent the other")
    eventually(lambda: allocatable(world, "pods") > groups + 3, 60, "the node offers more")
    # One refusal was enough to know, and nothing was made twice.
    refused = world.puts_of(namespace)
    assert sorted(refused.values()) == [1, 1, 2], refused
    world.core.patch_node(world.node, {"metadata": {"labels": {namespace: None}}})


def daemon_set(name, **spec):
    labels = {"app": name}
    template = pod(name, "serve", **spec)["spec"]
    del template["nodeName"]
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": template}}}


@pytest.fixture(name="daemon_sets")
def _daemon_sets(world, namespace):
    """Their pods would come back while the case is cleaned up."""
    yield
    world.apps.delete_collection_namespaced_daemon_set(namespace)


@pytest.mark.usefixtures("daemon_sets")
def test_a_daemon_set_that_cannot_run_here_stays_pending_with_one_event(world, namespace):
    world.apply(namespace, daemon_set("agent", hostNetwork=True))
    (agent,) = eventually(lambda: world.pods(namespace), 90, "the DaemonSet has a pod on the node")
    name, uid = agent.metadata.name, agent.metadata.uid
    eventually(lambda: world.events(namespace, name), 90, "its Event is there")
    world.restart_kubelet()
    # A pod that comes after it and runs: by then it was looked at again.
    world.apply(namespace, pod("other", "serve"))
    eventually(lambda: is_running(world, namespace, "other"), 90, "another pod runs")
    agents = [one for one in world.pods(namespace) if one.metadata.name != "other"]
    assert [(one.metadata.uid, one.status.phase) for one in agents] == [(uid, "Pending")]
    reason, message = waiting(world, namespace, name)
    assert reason == "UnsupportedPodField" and "hostNetwork" in message
    told = [(event.reason, event.count) for event in world.events(namespace, name)
            if event.reason == reason]
    assert told == [(reason, 1)]
