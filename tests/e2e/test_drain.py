# SPDX-License-Identifier: Apache-2.0
"""`aci-kubelet drain`: pods go within their budgets, no container group is left, the node is gone and
stays away until aci-kubelet is started again."""

import os
import subprocess

import pytest
from kubernetes.client.rest import ApiException

import manifests
from polling import eventually
from world import TESTS

DAEMON_TOLERATION = {"operator": "Exists"}
# The web server, first process of its container, does not heed SIGTERM.
SHORT = {"terminationGracePeriodSeconds": 1}


@pytest.fixture(name="node_comes_back")
def _node_comes_back(world):
    """For the files that come after this one."""
    yield
    world.kill_kubelet()
    world.start_kubelet()
    world.kubectl("uncordon", world.node, check=False)
    eventually(lambda: not world.core.read_node(world.node).spec.unschedulable, 90, "a node for all")


@pytest.fixture(name="kubeconfig", scope="module")
def _kubeconfig(world, tmp_path_factory):
    """Of somebody with the rights of deploy/manifests/drain.yaml and no others."""
    world.kubectl("apply", "-f", str(TESTS.parent / "deploy/manifests/drain.yaml"))
    path = tmp_path_factory.mktemp("drain") / "kubeconfig"
    world.script("../controlplane/serviceaccount", world.folder / "control-plane", "aci-kubelet",
                 "aci-kubelet-drain", path)
    return path


def drain(world, kubeconfig, *flags, timeout="60s"):
    value = world.values
    environment = dict(os.environ, AZURE_TENANT_ID=value["TENANT"],
                       AZURE_CLIENT_ID=value["CLIENT"], AZURE_CLIENT_SECRET=value["SECRET"])
    environment.pop("KUBECONFIG", None)
    return subprocess.run(
        [str(world.programs / "aci-kubelet"), "drain", "--kubeconfig", str(kubeconfig),
         "--nodename", world.node, "--subscription", value["SUBSCRIPTION"],
         "--resource-group", value["RESOURCE_GROUP"], "--arm-endpoint", world.arm,
         "--authority-host", world.arm, "--azure-ca-file", str(world.folder / "aci/ca.crt"),
         "--timeout", timeout, *flags],
        env=environment, capture_output=True, text=True, timeout=240, check=False)


def running(world, namespace):
    return {pod.metadata.name for pod in world.pods(namespace)
            if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None}


def is_absent(read, *names):
    try:
        read(*names)
    except ApiException as error:
        return error.status == 404
    return False


def daemon_set(name, *containers):
    labels = {"app": name}
    spec = manifests.pod_spec(*containers, tolerations=[DAEMON_TOLERATION], **SHORT)
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": spec}}}


def budget(name):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}}


@pytest.mark.usefixtures("node_comes_back")
def test_drain_takes_the_node_out_of_the_cluster(world, namespace, kubeconfig):
    world.apply(namespace, manifests.deployment("web", 2, manifests.web(), **SHORT), budget("web"),
                daemon_set("agent", manifests.web()),
                manifests.pod("alone", manifests.web(), **SHORT))
    names = eventually(lambda: len(running(world, namespace)) == 4 and running(world, namespace),
                       60, "four pods run")

    refused = drain(world, kubeconfig)
    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert f"{namespace}/alone" in refused.stderr and "--force" in refused.stderr
    assert running(world, namespace) == names, "nothing was evicted"
    assert world.core.read_node(world.node).spec.unschedulable

    # The replacement of the first web pod finds no node, so the budget keeps the second one.
    held = drain(world, kubeconfig, "--force", timeout="12s")
    assert held.returncode == 3, held.stdout + held.stderr
    assert "held back" in held.stdout and "disruption budget" in held.stdout
    left = eventually(lambda: len(running(world, namespace)) == 2 and running(world, namespace), 90,
                      "one web pod and the DaemonSet's are left")
    assert sorted(name.split("-")[0] for name in left) == ["agent", "web"]

    world.kubectl("delete", "pdb", "web", "-n", namespace)
    done = drain(world, kubeconfig)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (f"node {world.node} cordoned", "evicting pod", "deleting pod",
                 "0 DaemonSet pods and 0 container groups left", f"node {world.node} deleted"):
        assert line in done.stdout
    assert not world.groups()
    assert is_absent(world.core.read_node, world.node)
    lease = world.kubectl("get", "lease", "-n", "kube-node-lease", world.node, check=False)
    assert "not found" in lease.stderr
    assert "The node was drained" in world.log("aci-kubelet")
    again = drain(world, kubeconfig)
    assert again.returncode == 0 and "is gone already" in again.stdout
    assert " deleted" not in again.stdout
    # They would start again on the node that comes back.
    world.apps.delete_namespaced_daemon_set("agent", namespace)
    world.apps.delete_namespaced_deployment("web", namespace)


def test_help_and_wrong_options(world):
    program = str(world.programs / "aci-kubelet")
    text = subprocess.run([program, "drain", "--help"], capture_output=True, text=True, check=True).stdout
    for part in ("cordons", "evicts", "PodDisruptionBudgets", "--timeout", "--force", "--nodename",
                 "Exit codes", "kubectl uncordon"):
        assert part in text
    assert "drain" in subprocess.run([program, "--help"], capture_output=True, text=True,
                                     check=True).stdout
    for flags in (["--timeout", "soon"], ["some-node"], ["--nodename", "x"]):
        wrong = subprocess.run([program, "drain", *flags], capture_output=True, text=True, check=False)
        assert wrong.returncode == 2 and wrong.stderr.startswith("aci-kubelet drain: ")
