# SPDX-License-Identifier: Apache-2.0
"""A release from its installation to its end, in this order: the scheduler and the controllers of the
cluster see to the chart's objects, `machine` runs its pods. All that its service account asks of the API
server meanwhile is held against what the chart allows it."""

import json

import pytest
from kubernetes.client.rest import ApiException

from conftest import CHART
from machine import Machine
from polling import eventually
from rights import allows, requests, rights
from simulated import pod
from values import LEAST, credentials, merged

NAMESPACE, NODE = "aci", "burst-1"
NAME = f"burst-aci-kubelet-{NODE}"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:burst-aci-kubelet"


@pytest.fixture(scope="module", name="values")
def _values(world):
    known = world.values
    return merged(LEAST, credentials("clientSecret", clientId=known["CLIENT"],
                                     clientSecret=known["SECRET"]), {
        "azure": {"subscriptionId": known["SUBSCRIPTION"], "resourceGroup": known["RESOURCE_GROUP"],
                  "location": known["LOCATION"], "tenantId": known["TENANT"]},
        "nodes": [{"name": NODE, "subnetIds": [known["SUBNET"]]}],
        "serving": {"certificate": "requested"},
        # So long that nobody leads in time but by a Lease that was given back.
        "leaderElection": {"leaseDuration": "300s", "renewDeadline": "200s", "retryPeriod": "500ms"},
        "drain": {"timeout": "2m"},
        # Azure is aci-emulator here, whose authority the machine lays down, and which has no limits.
        "options": {"arm-endpoint": world.arm, "authority-host": world.arm,
                    "azure-ca-file": "/run/aci/ca.crt", "arm-limits": "off", "create-limits": "off",
                    "delete-limits": "off", "orphan-sweep-interval": "2s", "v": 2}})


@pytest.fixture(scope="module", name="machine")
def _machine(request, world, tmp_path_factory):
    machine = Machine(world, tmp_path_factory.mktemp("machine"), NAMESPACE,
                      request.config.getoption("--image"))
    machine.start()
    yield machine
    machine.stop()


@pytest.fixture(scope="module", name="release")
def _release(world, helm, values, machine):
    run = helm.run("install", "burst", CHART, "-n", NAMESPACE, "--create-namespace", "-f",
                   helm.file(values), "--wait", "--timeout", "400s", kubeconfig=world.kubeconfig)
    yield run.stdout
    assert machine.error is None, machine.error


def address(world):
    return next(entry.address for entry in world.core.read_node(NODE).status.addresses
                if entry.type == "InternalIP")


def leader(world):
    lease = world.coordination.read_namespaced_lease(f"aci-kubelet-{NODE}", NAMESPACE)
    return lease.spec.holder_identity


def is_served(world):
    """The API server reaches the kubelet port and trusts its certificate."""
    names = world.kubectl("get", "csr", "-o", "name").stdout.split()
    if names:
        world.kubectl("certificate", "approve", *names)
    return world.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/configz",
                         check=False).returncode == 0


def on_node(manifest, **spec):
    manifest["spec"].update({"nodeName": NODE, **spec})
    return manifest


def is_running(world, name):
    return world.pod("default", name).status.phase == "Running"


def is_absent(read, *names):
    try:
        read(*names)
    except ApiException as error:
        return error.status == 404
    return False


def budget(world):
    return world.policy.read_namespaced_pod_disruption_budget(NAME, NAMESPACE).status


def test_one_of_two_replicas_serves_the_node(world, release, machine):
    assert f"  {NODE}  westeurope, resource group burst, Linux\n" in release
    assert "kubectl certificate approve NAME" in release
    first = eventually(lambda: address(world), 60, "the node is there")
    serving = machine.container_at(first)
    assert leader(world)
    assert '"Leading"' in serving.log.read_text()
    others = [one for one in machine.containers.values() if one is not serving]
    assert len(others) == 1 and "Standing by" in others[0].log.read_text()
    eventually(lambda: budget(world).disruptions_allowed == 1, 60, "one may be disrupted")
    eventually(lambda: is_served(world), 60, "the API server reaches the node")
    metrics = world.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/metrics").stdout
    assert f'leader_election_master_status{{name="aci-kubelet-{NODE}"}} 1' in metrics.splitlines()


def test_its_own_check_finds_nothing(release, machine):
    """The rights that the chart gives are those that `aci-kubelet check` looks for."""
    del release
    one = next(iter(machine.containers.values()))
    # Not the port that is in use.
    options = [entry for entry in one.spec.args if not entry.startswith("--port=")]
    run = one.run("check", "--output=json", "--port=10399", *options)
    found = {check["name"]: check for check in json.loads(run.stdout)["checks"]}
    assert found["cluster identity"]["detail"] == ACCOUNT
    assert "all " in found["cluster rights"]["detail"], found["cluster rights"]
    assert not [check for check in found.values() if check["state"] == "failed"], run.stdout
    assert run.returncode == 0


CLAIM = [
    {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "share"},
     "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
              "storageClassName": "", "claimRef": {"namespace": "default", "name": "share"},
              "azureFile": {"secretName": "share", "shareName": "share",
                            "secretNamespace": "default"}}},
    {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "share"},
     "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "share",
              "resources": {"requests": {"storage": "1Gi"}}}}]


def test_pods_with_all_that_they_may_refer_to_run(world, release, machine):
    del release, machine
    refers = on_node(pod("refers", "serve"))
    refers["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    refers["spec"]["containers"][0]["env"] = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "share", "key": "azurestorageaccountkey"}}}]
    refers["spec"]["containers"][0]["volumeMounts"] = [{"name": "share", "mountPath": "/share"}]
    refers["spec"]["volumes"] = [{"name": "share", "persistentVolumeClaim": {"claimName": "share"}}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "share"},
              "stringData": {"azurestorageaccountname": "account", "azurestorageaccountkey": "a2V5"}}
    world.apply("default", secret, *CLAIM, {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
        "data": {"A": "b"}}, refers, on_node(pod("flaps", "exit", "1")))
    eventually(lambda: is_running(world, "refers"), 120, "the pod runs")
    eventually(lambda: [event for event in world.events("default", "flaps") if event.count > 1], 90,
               "an Event counts on")
    for name in ("refers", "flaps"):
        world.core.delete_namespaced_pod(name, "default")
        eventually(lambda name=name: is_absent(world.pod, "default", name), 60, f"{name} is gone")


def test_who_asks_on_the_port_is_asked_about(world, release, machine):
    del release
    port = machine.container_at(address(world)).port
    token = world.core.create_namespaced_service_account_token(
        "default", "default", {"spec": {"audiences": []}}).status.token
    status, body = port.ask("/pods", token=token)
    assert status == 403 and "system:serviceaccount:default:default" in body
    assert port.ask("/pods", token="nobody's")[0] == 401


def test_an_upgrade_takes_over_and_touches_no_group(world, helm, values, release, machine):
    del release
    # A toleration of everything would let pods come to a node that is cordoned.
    spec = pod("web", "serve")["spec"] | {
        "nodeName": None, "nodeSelector": {"kubernetes.io/hostname": NODE},
        "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}]}
    world.apply("default", {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                 "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}}})
    eventually(lambda: len([one for one in world.pods("default", "app=web")
                            if one.status.phase == "Running"]) == 3, 90, "three pods run")
    groups = world.engine_groups("default")
    before, holder = address(world), leader(world)
    helm.run("upgrade", "burst", CHART, "-n", NAMESPACE, "-f",
             helm.file(merged(values, {"podLabels": {"release": "second"}})), "--wait", "--timeout",
             "400s", kubeconfig=world.kubeconfig)
    eventually(lambda: len(machine.containers) == 2, 90, "the first two have ended")
    eventually(lambda: leader(world) not in (None, holder), 60, "another one leads")
    eventually(lambda: address(world) != before and machine.container_at(address(world)), 60,
               "the node has its address")
    eventually(lambda: is_served(world), 60, "the API server reaches it, by its own certificate")
    assert world.engine_groups("default") == groups
    assert set(world.puts_of("default").values()) == {1}
    assert all(one.process.returncode == 0 for one in machine.ended), machine.logs()


def test_what_changed_while_nobody_served_is_put_right(world, release, machine):
    """A group without its pod is removed, a label of the node comes back."""
    del release
    world.apply("default", on_node(pod("goes", "serve")))
    eventually(lambda: is_running(world, "goes"), 60, "the pod runs")
    world.kubectl("scale", "-n", NAMESPACE, f"deployment/{NAME}", "--replicas=0")
    eventually(lambda: not machine.containers, 90, "nobody serves the node")
    world.core.delete_namespaced_pod("goes", "default", grace_period_seconds=0)
    world.kubectl("label", "node", NODE, "type-")
    world.kubectl("scale", "-n", NAMESPACE, f"deployment/{NAME}", "--replicas=2")
    eventually(lambda: not any(group["pod"] == "goes"
                               for group in world.engine_groups("default").values()), 90,
               "its group is removed")
    eventually(lambda: world.core.read_node(NODE).metadata.labels.get("type") == "virtual-kubelet", 60,
               "its label is there")
    assert set(world.puts_of("default").values()) == {1}


def test_uninstalling_drains_the_node_first(world, helm, release, machine):
    del release
    budgets = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
               "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}}}
    world.apply("default", budgets)
    process = helm.start("uninstall", "burst", "-n", NAMESPACE, "--wait", "--timeout", "400s",
                         kubeconfig=world.kubeconfig)
    eventually(lambda: world.core.read_node(NODE).spec.unschedulable, 60, "the node is cordoned")
    assert len(world.engine_groups("default")) == 3, "the budget lets none go"
    world.kubectl("delete", "pdb", "web", "-n", "default")
    output, error = process.communicate(timeout=600)
    assert process.returncode == 0, error + output + machine.logs()
    assert is_absent(world.core.read_node, NODE)
    assert is_absent(world.coordination.read_namespaced_lease, NODE, "kube-node-lease")
    assert not world.engine_groups("default")
    eventually(lambda: not machine.containers, 60, "all processes have ended")
    left = json.loads(world.kubectl("get", "deployments,jobs,serviceaccounts,secrets,roles,rolebindings,"
                                    "networkpolicies,poddisruptionbudgets", "-n", NAMESPACE, "-o",
                                    "json").stdout)["items"]
    assert {one["metadata"]["name"] for one in left} == {"default"}
    cluster = world.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name").stdout
    assert "burst" not in cluster


def test_it_may_do_what_it_does_and_no_more(world, helm, values, release, machine):
    """Without any one verb of any rule some request that was made is refused."""
    del release, machine
    granted = rights(helm.render(values).values())
    asked = requests(world.audit_log, ACCOUNT)
    done = {one for one in asked if one.code != 403}
    refused = {one[:4] for one in asked if one.code == 403} - {one[:4] for one in done}
    assert not refused, "it asks for what it may not"
    assert len(done) >= len(granted)
    for right in granted:
        others = [one for one in granted if one != right]
        lost = [one for one in done
                if allows(right, one) and not any(allows(other, one) for other in others)]
        assert lost, f"nothing needs {right}"
