# SPDX-License-Identifier: Apache-2.0
"""The kubelet dies at each of its writes, before it and when the answer has come but nothing was done
about it yet. Whatever the step: after a restart all is as if nothing had happened."""

import subprocess

import pytest
from kubernetes.client.rest import ApiException

from polling import eventually
from simulated import pod

# Step -> what has to happen so that it is reached.
POINTS = {f"{when}-{step}": scenario for step, scenario in {
    "put": "pods", "group-delete": "pods", "status-patch": "pods", "pod-delete": "pods",
    "event-create": "pods", "event-patch": "flapping", "token-request": "pods",
    "lease-create": "no node", "lease-renew": "pods", "node-create": "no node",
    "node-adopt": "no label", "node-status": "pods", "orphan-delete": "orphan",
    "csr-create": "certificate", "leader-create": "election", "leader-write": "election",
}.items() for when in ("before", "after")}
# These are reached more than once, and the later times find other pods half done. The first five
# Events are about the node and the bystander.
LATER = {"before-put:3": "pods", "after-put:2": "pods", "before-status-patch:6": "pods",
         "after-status-patch:4": "pods", "before-event-create:8": "pods",
         "after-event-create:7": "pods", "after-event-create:11": "pods"}

# Whoever comes next waits for the Lease to run out, as after leader-create.
SLOW = ("before-leader-write", "after-leader-write")


def phase(world, namespace, name):
    return world.pod(namespace, name).status.phase


def is_absent(world, namespace, name):
    try:
        world.pod(namespace, name)
    except ApiException as error:
        return error.status == 404
    return False


def aci_events(world, group):
    """(reason, message) -> how often ACI counted it."""
    properties = world.arm_get(group["id"])["properties"]
    found = list((properties.get("instanceView") or {}).get("events") or [])
    for one in properties["containers"]:
        found += one["properties"].get("instanceView", {}).get("events") or []
    return {(event["name"], event["message"]): event["count"] for event in found}


def events_are_complete(world, namespace):
    """True when each event of ACI is on its pod, as often as ACI counted it."""
    counts = {(event.involved_object.uid, event.reason, event.message): event.count
              for event in world.core.list_namespaced_event(namespace).items}
    for group in world.groups_of(namespace):
        uid = group["tags"]["aci-kubelet-uid"]
        for (reason, message), count in aci_events(world, group).items():
            if counts.get((uid, reason, message)) != count:
                return False
    return True


def make_pods(world, namespace):
    """One that runs, one that ends, one that is deleted as soon as its group is there."""
    world.apply(namespace, pod("runs", "serve"), pod("ends", "exit", "0", restartPolicy="Never"),
                pod("goes", "serve"))
    eventually(lambda: world.is_kubelet_dead() or any(
        group["pod"] == "goes" for group in world.engine_groups(namespace).values()), 60,
        "the group of the pod that goes")
    world.core.delete_namespaced_pod("goes", namespace)


def pods_converge(world, namespace):
    eventually(lambda: phase(world, namespace, "runs") == "Running", 60, "the pod runs")
    eventually(lambda: phase(world, namespace, "ends") == "Succeeded", 60, "the pod has ended")
    eventually(lambda: is_absent(world, namespace, "goes"), 60, "the deleted pod is gone")
    groups = [group["pod"] for group in world.engine_groups(namespace).values()]
    assert sorted(groups) == ["ends", "runs"]
    eventually(lambda: events_are_complete(world, namespace), 60, "ACI's events are on the pods")


def crash(world, namespace, point, act):
    """Runs into the point; gives what the engine knew then."""
    world.restart_kubelet(crash_at=point)
    act(world, namespace)
    eventually(world.is_kubelet_dead, 90, f"the kubelet reaches {point}")
    assert world.kubelet_died_at(point.split(":")[0]), "it died of something else"
    return world.engine_groups(namespace)


def nothing_was_started_again(before, after):
    for name in before.keys() & after.keys():
        assert after[name]["group"] == before[name]["group"]
        assert after[name]["generation"] == before[name]["generation"]
        for old, new in zip(before[name]["starts"], after[name]["starts"]):
            assert old in (None, new), f"{name} was started again"


def run_pods(world, namespace, point):
    before = crash(world, namespace, point, make_pods)
    world.start_kubelet()
    pods_converge(world, namespace)
    nothing_was_started_again(before, world.engine_groups(namespace))


def run_no_node(world, namespace, point):
    world.kill_kubelet()
    world.core.delete_node(world.node)
    # The node's garbage collector may have been quicker.
    world.kubectl("delete", "lease", "-n", "kube-node-lease", world.node, "--ignore-not-found")
    world.start_kubelet(crash_at=point)
    eventually(world.is_kubelet_dead, 90, f"the kubelet reaches {point}")
    assert world.kubelet_died_at(point)
    world.start_kubelet()
    eventually(lambda: world.core.read_node(world.node), 60, "the node is there")
    eventually(lambda: world.coordination.read_namespaced_lease(
        world.node, "kube-node-lease").spec.renew_time, 60, "the lease is there")
    make_pods(world, namespace)
    pods_converge(world, namespace)


def run_no_label(world, namespace, point):
    world.kubectl("label", "node", world.node, "type-")
    run_pods(world, namespace, point)
    eventually(lambda: world.core.read_node(world.node).metadata.labels.get("type"), 60,
               "the label is back")


def run_flapping(world, namespace, point):
    """Its events are counted further and further."""
    before = crash(world, namespace, point, lambda *_: world.apply(
        namespace, pod("flaps", "exit", "1")))
    world.start_kubelet()
    eventually(lambda: phase(world, namespace, "flaps") == "Running", 60, "the pod is seen")
    after = world.engine_groups(namespace)
    assert {name: group["group"] for name, group in after.items()} == {
        name: group["group"] for name, group in before.items()}
    eventually(lambda: events_are_complete(world, namespace), 60, "ACI's events are on the pod")


def run_orphan(world, namespace, point):
    world.apply(namespace, pod("leaks", "serve"))
    eventually(lambda: phase(world, namespace, "leaks") == "Running", 60, "the pod runs")
    world.kill_kubelet()
    world.core.delete_namespaced_pod("leaks", namespace, grace_period_seconds=0)
    world.start_kubelet(crash_at=point)
    eventually(world.is_kubelet_dead, 90, f"the kubelet reaches {point}")
    assert world.kubelet_died_at(point)
    world.start_kubelet()
    eventually(lambda: not world.engine_groups(namespace), 90, "the leaked group is gone")


def run_certificate(world, namespace, point):
    """The key of the request is in a folder, and so the next process finds the request again."""
    flags = ("--rotate-server-certificates", "--tls-cert-file=", "--tls-private-key-file=",
             "--cert-dir", world.folder / f"certificates-{namespace}")
    world.kubectl("delete", "csr", "--all")
    world.restart_kubelet(*flags, crash_at=point)
    eventually(world.is_kubelet_dead, 90, f"the kubelet reaches {point}")
    assert world.kubelet_died_at(point)
    world.start_kubelet(*flags)
    name, = eventually(lambda: world.kubectl("get", "csr", "-o", "name").stdout.split(), 60,
                       "a certificate is asked for")
    world.kubectl("certificate", "approve", name)
    eventually(lambda: "issuer=CN = kubernetes-ca" in subprocess.run(
        f"openssl s_client -connect {world.node_address}:10250 </dev/null 2>/dev/null | "
        "openssl x509 -noout -issuer", shell=True, capture_output=True, text=True,
        check=False).stdout, 60, "the port shows it")
    assert world.kubectl("get", "csr", "-o", "name").stdout.split() == [name]


def run_election(world, namespace, point):
    """The Lease stays with the process that died, until its time is over."""
    flags = ("--leader-elect", "--leader-elect-resource-namespace", "aci-kubelet",
             "--leader-elect-lease-duration", "9s", "--leader-elect-renew-deadline", "6s",
             "--leader-elect-retry-period", "500ms")
    world.kill_kubelet()
    world.kubectl("delete", "lease", "-n", "aci-kubelet", "--all")
    world.start_kubelet(*flags, crash_at=point)
    eventually(world.is_kubelet_dead, 90, f"the kubelet reaches {point}")
    assert world.kubelet_died_at(point)
    world.start_kubelet(*flags)
    make_pods(world, namespace)
    pods_converge(world, namespace)


RUNS = {"pods": run_pods, "no node": run_no_node, "no label": run_no_label,
        "flapping": run_flapping, "orphan": run_orphan, "certificate": run_certificate,
        "election": run_election}


def test_a_restart_writes_nothing_about_pods_that_are_as_they_were(world, namespace):
    """Neither to the pods nor to ACI, and no Event."""
    make_pods(world, namespace)
    pods_converge(world, namespace)

    def versions():
        pods = {one.metadata.name: one.metadata.resource_version for one in world.pods(namespace)}
        events = world.core.list_namespaced_event(namespace).items
        return pods, sorted(one.metadata.resource_version for one in events
                            if one.involved_object.name != "later")
    before = None

    def settled():
        nonlocal before
        last, before = before, versions()
        return last == before
    eventually(settled, 60, "all is written", every=2)
    groups = world.engine_groups(namespace)
    world.restart_kubelet()
    # Whoever starts a pod has read all the others, and both groups are looked at more than once.
    world.apply(namespace, pod("later", "serve"))
    eventually(lambda: phase(world, namespace, "later") == "Running", 60, "the next pod runs")
    reads = world.requests("ContainerGroups_Get")
    eventually(lambda: world.requests("ContainerGroups_Get") > reads + 6, 90, "ACI was read")
    pods, events = versions()
    assert pods.pop("later") and (pods, events) == before
    assert groups.items() <= world.engine_groups(namespace).items()


def test_every_step_that_exists_has_a_case(world):
    listed = subprocess.run([str(world.programs / "aci-kubelet"), "--list-crash-points"],
                            check=True, capture_output=True, text=True).stdout.split()
    assert sorted(listed) == sorted(POINTS)


@pytest.mark.parametrize("point", [*POINTS, *LATER])
def test_dying_at_a_step_repeats_and_loses_nothing(world, namespace, full, point):
    if point in SLOW and not full:
        pytest.skip("with --full")
    RUNS[{**POINTS, **LATER}[point]](world, namespace, point)


@pytest.mark.parametrize("point", ["before-put:2", "after-put:2"])
def test_dying_at_an_update_updates_once(world, namespace, point):
    """The second PUT is that of a new image."""
    world.restart_kubelet(crash_at=point)
    world.apply(namespace, pod("runs", "serve"))
    eventually(lambda: phase(world, namespace, "runs") == "Running", 60, "the pod runs")
    group, = world.puts_of(namespace)
    world.deleted_outside[group] += 1  # One PUT more is what is asked for.
    world.core.patch_namespaced_pod("runs", namespace, {"spec": {"containers": [
        {"name": "main", "image": "simulated:2"}]}})
    eventually(world.is_kubelet_dead, 90, f"the kubelet reaches {point}")
    assert world.kubelet_died_at(point.split(":")[0]), "it died of something else"
    world.start_kubelet()

    def updated():
        status = world.pod(namespace, "runs").status.container_statuses[0]
        return status.image == "simulated:2" and status.state.running
    eventually(updated, 90, "the new image runs")
    assert world.puts_of(namespace)[group] == 2
