# SPDX-License-Identifier: Apache-2.0
"""The manifests of deploy/manifests/scheduling on the real scheduler and controllers. Machines are Node
objects without a kubelet: what one would say of the pods there, the test says."""

import contextlib
import datetime
import json
import threading

import kubernetes
import pytest

import simulated
from polling import eventually
from world import TESTS

FOLDER = TESTS.parent / "deploy/manifests/scheduling"
MACHINES = ("machine-1", "machine-2")
# Of CPU, and what a pod of the manifests asks for: enough pods on a machine to make the scheduler wish to
# spread them more than it heeds a preference.
MACHINE_CPU, POD_CPU = 10, 0.5
FIT = int(len(MACHINES) * MACHINE_CPU / POD_CPU)
LAST_RESORT = "aci-kubelet.io/last-resort"


def manifests(world, name):
    """The objects of a file; containers are what the simulated engine can run."""
    text = world.kubectl("create", "--dry-run=client", "-o", "json", "-f", str(FOLDER / name)).stdout
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        document, end = decoder.raw_decode(text.strip())
        text = text.strip()[end:]
        found += document.get("items", [document])
    for one in found:
        one["metadata"].pop("namespace", None)
        if one["kind"] == "Deployment":
            for container in one["spec"]["template"]["spec"]["containers"]:
                container.update(image="simulated:1", command=["serve"])
            # There is no machine to be non-root on, and nothing to warn of.
            one["spec"]["template"]["spec"].pop("securityContext")
    return found


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


@contextlib.contextmanager
def heartbeats(world):
    """What a kubelet says every few seconds: a machine that is silent for long is not ready."""
    core = kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(str(world.kubeconfig)))
    capacity = {"cpu": str(MACHINE_CPU), "memory": "4Gi", "pods": "110"}
    over = threading.Event()

    def beat():
        while True:
            for name in MACHINES:
                # One that is lost is no reason to say nothing any more.
                with contextlib.suppress(kubernetes.client.ApiException, OSError):
                    core.patch_node_status(name, {"status": {
                        "capacity": capacity, "allocatable": capacity,
                        "conditions": [{"type": "Ready", "status": "True", "reason": "Test",
                                        "message": "", "lastHeartbeatTime": now()}]}})
            if over.wait(5):
                return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_pod_finds_the_node_by_a_label_of_the_option(world, namespace):
    world.apply(namespace, simulated.pod(
        "chosen", "serve", nodeName=None,
        nodeSelector={"tests.example/tier": "burst", "topology.kubernetes.io/zone": "zone-1"}))
    eventually(lambda: world.pod(namespace, "chosen").spec.node_name == world.node, 90,
               "the scheduler binds it")


@pytest.fixture(name="machines", scope="module")
def _machines(world):
    for name in MACHINES:
        world.core.create_node({"metadata": {"name": name,
                                             "labels": {"kubernetes.io/hostname": name}}})
    with heartbeats(world):
        yield from _ready_machines(world)
    for name in MACHINES:
        world.core.delete_node(name)


def _ready_machines(world):
    for name in MACHINES:
        eventually(lambda name=name: not world.core.read_node(name).spec.taints, 90,
                   f"the controller takes {name} for ready")
    world.kubectl("taint", "nodes", world.node, f"{LAST_RESORT}=true:PreferNoSchedule")
    yield MACHINES
    world.kubectl("taint", "nodes", world.node, f"{LAST_RESORT}-")


@pytest.fixture(name="shop")
def _shop(world, namespace):
    """Deletes what was applied before the case's namespace is looked through: no controller makes
    pods anew, and those of machines have no kubelet that would end them."""
    yield namespace
    world.apps.delete_collection_namespaced_deployment(namespace)
    eventually(lambda: not world.apps.list_namespaced_replica_set(namespace).items, 90,
               "no ReplicaSet is left")
    for pod in world.pods(namespace):
        if pod.spec.node_name != world.node:
            world.core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=0)


def by_node(world, namespace):
    """Node ("" while none was found) -> pods that are not going."""
    found = {}
    for pod in world.pods(namespace):
        if pod.metadata.deletion_timestamp is None:
            found.setdefault(pod.spec.node_name or "", []).append(pod)
    return found


def counts(world, namespace):
    """(pods on machines, pods on ACI), once all are bound."""
    found = by_node(world, namespace)
    if "" in found:
        return None
    on_aci = len(found.pop(world.node, []))
    return sum(len(pods) for pods in found.values()), on_aci


def scale(world, namespace, name, replicas):
    world.apps.patch_namespaced_deployment_scale(name, namespace, {"spec": {"replicas": replicas}})


def run_on_machines(world, namespace):
    """A ReplicaSet removes pods that do not run before all others: let those on machines run."""
    for node, pods in by_node(world, namespace).items():
        for pod in pods if node in MACHINES else []:
            world.core.patch_namespaced_pod_status(pod.metadata.name, namespace, {"status": {
                "phase": "Running", "startTime": now(), "conditions": [
                    {"type": "Ready", "status": "True", "lastTransitionTime": now()}]}})


def are_ready(world, namespace, count):
    ready = [pod for pod in world.pods(namespace) for c in pod.status.conditions or []
             if (c.type, c.status) == ("Ready", "True")]
    return len(ready) == count


@pytest.fixture(name="burst_pods_are_cheap")
def _burst_pods_are_cheap(world):
    world.restart_kubelet("--pod-deletion-cost=-100")
    yield
    world.restart_kubelet()


@pytest.mark.usefixtures("machines", "burst_pods_are_cheap")
def test_machines_first_aci_when_full_and_back(world, shop):
    world.apply(shop, *manifests(world, "vm-first.yaml"))
    scale(world, shop, "vm-first", FIT)
    eventually(lambda: counts(world, shop) == (FIT, 0), 60, "all pods are on machines")
    run_on_machines(world, shop)
    # Fewer than on a machine: a ReplicaSet by itself removes pods where most of them are.
    scale(world, shop, "vm-first", FIT + 3)
    eventually(lambda: counts(world, shop) == (FIT, 3), 60, "the overflow is on ACI")
    eventually(lambda: are_ready(world, shop, FIT + 3), 90, "all run")
    costs = {pod.spec.node_name: (pod.metadata.annotations or {}).get(
        "controller.kubernetes.io/pod-deletion-cost") for pod in world.pods(shop)}
    assert costs == {**dict.fromkeys(MACHINES), world.node: "-100"}
    scale(world, shop, "vm-first", FIT)
    eventually(lambda: counts(world, shop) == (FIT, 0), 60, "the pods on ACI went first")


@pytest.mark.usefixtures("machines")
def test_aci_only(world, shop):
    world.apply(shop, *manifests(world, "aci-only.yaml"))
    eventually(lambda: counts(world, shop) == (0, 3), 60, "all pods are on ACI")


@pytest.mark.usefixtures("machines")
def test_at_most_3_on_aci(world, shop):
    world.apply(shop, *manifests(world, "at-most.yaml"))
    eventually(lambda: counts(world, shop) == (3, 3), 60, "three on machines, three on ACI")
    scale(world, shop, "at-most-aci", 5)
    eventually(lambda: [event for event in world.core.list_namespaced_event(shop).items
                        if event.reason == "FailedCreate" and "exceeded quota: burst" in event.message],
               60, "the ReplicaSet is told why")
    assert counts(world, shop) == (3, 3)


def plain(name, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [{"name": "main", "image": "simulated:1", "command": ["serve"],
                        "resources": {"requests": {"cpu": str(POD_CPU)}}}], **spec}}


@pytest.fixture(name="policy")
def _policy(world):
    """For all namespaces with the label; a new one acts on pods only after a moment."""
    for one in manifests(world, "namespace-policy.yaml"):
        world.kubectl("apply", "-f", "-", stdin=json.dumps(one))
    yield
    world.kubectl("delete", "-f", str(FOLDER / "namespace-policy.yaml"))


@pytest.mark.usefixtures("machines", "policy")
def test_every_pod_of_a_labelled_namespace_may_burst(world, shop):
    def preview(pod):
        """What would be made of it."""
        return json.loads(world.kubectl("create", "-n", shop, "--dry-run=server", "-o", "json",
                                        "-f", "-", stdin=json.dumps(pod)).stdout)["spec"]

    def is_changed(pod):
        return any(one.get("key") == "virtual-kubelet.io/provider"
                   for one in preview(pod).get("tolerations", []))

    assert not is_changed(plain("before"))
    world.kubectl("label", "namespace", shop, "aci-kubelet.io/burst=true")
    eventually(lambda: is_changed(plain("soon")), 60, "the policy acts")
    own = preview(plain("own", tolerations=[{"key": "mine", "operator": "Exists"}],
                        affinity={"podAntiAffinity": {}}))
    assert "mine" in [one.get("key") for one in own["tolerations"]]
    assert "podAntiAffinity" in own["affinity"] and own["affinity"]["nodeAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] == 100
    for untouched in (plain("bound", nodeName=MACHINES[0]),
                      plain("selects", nodeSelector={"type": "big"}),
                      plain("prefers", affinity={"nodeAffinity": {}})):
        assert not is_changed(untouched)
    # Nothing of ACI is in its manifest, and it is more than the machines hold.
    world.apply(shop, *(plain(f"many-{i}") for i in range(FIT + 1)))
    eventually(lambda: counts(world, shop) == (FIT, 1), 60, "one is on ACI")


def test_the_patch_for_older_clusters_says_what_the_policy_does(world, shop):
    world.apply(shop, *manifests(world, "at-most.yaml"))
    world.kubectl("patch", "-n", shop, "deployment", "at-most-machines", "--dry-run=server",
                  "--patch-file", str(FOLDER / "burst-patch.yaml"))
    patched = json.loads(world.kubectl(
        "patch", "-n", shop, "deployment", "at-most-machines", "--dry-run=server", "-o", "json",
        "--patch-file", str(FOLDER / "burst-patch.yaml")).stdout)["spec"]["template"]["spec"]
    (first,) = manifests(world, "vm-first.yaml")
    wanted = first["spec"]["template"]["spec"]
    assert (patched["tolerations"], patched["affinity"]) == (wanted["tolerations"], wanted["affinity"])


def test_a_node_may_write_the_cost_with_a_status(world, shop):
    """As system:node:NAME under NodeRestriction, which keeps it from all else in a pod's metadata."""
    world.apply(shop, plain("pod", nodeName=world.node, tolerations=[{"operator": "Exists"}]))
    client = kubernetes.config.new_client_from_config(str(world.kubeconfig))
    client.set_default_header("Impersonate-User", f"system:node:{world.node}")
    client.set_default_header("Impersonate-Group", "system:nodes")
    node = kubernetes.client.CoreV1Api(client)
    cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-100"}}}
    node.patch_namespaced_pod_status("pod", shop, cost)
    assert cost["metadata"]["annotations"].items() <= world.pod(shop, "pod").metadata.annotations.items()
    with pytest.raises(kubernetes.client.ApiException) as refused:
        node.patch_namespaced_pod("pod", shop, cost)
    assert refused.value.status == 403
