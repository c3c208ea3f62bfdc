# SPDX-License-Identifier: Apache-2.0
"""The virtual node as the cluster sees it, and who may speak to its port."""

import datetime
import json
import pathlib
import re
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from kubernetes.utils.quantity import parse_quantity

from own_kubelet import start_kubelet as _start_kubelet  # pylint: disable=unused-import
from polling import eventually


def condition(node, kind):
    return next(entry.status for entry in node.status.conditions if entry.type == kind)


def test_node_is_ready_with_the_labels_and_the_taint_of_virtual_nodes(world):
    node = eventually(lambda: world.core.read_node(world.node), 90, "the node object is there")
    eventually(lambda: condition(world.core.read_node(world.node), "Ready") == "True", 90, "Ready")
    labels = node.metadata.labels
    assert labels["type"] == "virtual-kubelet"
    assert labels["kubernetes.io/os"] == "linux"
    assert labels["kubernetes.io/arch"] == "amd64"
    assert labels["kubernetes.io/hostname"] == world.node
    assert labels["kubernetes.io/role"] == "agent"
    assert "node.kubernetes.io/exclude-from-external-load-balancers" in labels
    assert labels["kubernetes.azure.com/managed"] == "false", "or AKS's cloud controller removes it"
    assert ("virtual-kubelet.io/provider", "azure", "NoSchedule") in [
        (taint.key, taint.value, taint.effect) for taint in node.spec.taints]
    assert [(address.type, address.address) for address in node.status.addresses
            if address.type == "InternalIP"] == [("InternalIP", world.node_address)]
    assert node.status.daemon_endpoints.kubelet_endpoint.port == 10250
    # The options are the upper bound; the subscription's quotas leave less.
    assert parse_quantity(node.status.capacity["pods"]) == 5000
    eventually(lambda: parse_quantity(
        world.core.read_node(world.node).status.allocatable["pods"]) < 5000, 90,
        "the quotas are known")
    assert node.status.capacity["memory"] == node.status.allocatable["memory"]


def test_lease_is_renewed(world):
    def renewed():
        lease = json.loads(world.kubectl("get", "lease", "-n", "kube-node-lease", world.node,
                                         "-o", "json").stdout)["spec"]
        assert lease["leaseDurationSeconds"] == 40
        return datetime.datetime.fromisoformat(lease["renewTime"].replace("Z", "+00:00"))
    first = eventually(renewed, 60, "there is a lease")
    eventually(lambda: renewed() > first, 60, "the lease is renewed")


def test_a_node_that_somebody_deleted_comes_back_before_its_pods_go(world, kubelet):
    gone = kubelet("deleted")
    first = gone.until(lambda: world.core.read_node("deleted"), "the node object is there")
    gone.until(lambda: world.kubectl("get", "lease", "-n", "kube-node-lease", "deleted").stdout,
               "its Lease, too")
    world.core.delete_node("deleted")
    second = gone.until(lambda: world.core.read_node("deleted"), "the node object is there again", 90)
    assert second.metadata.uid != first.metadata.uid


def port(world, path, certificate=None):
    """Status of a GET on the kubelet port."""
    context = ssl.create_default_context(cafile=str(world.folder / "control-plane/pki/ca.crt"))
    if certificate:
        context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"https://{world.node_address}:10250{path}", timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(name="foreign", scope="module")
def _foreign(world, tmp_path_factory):
    """A pair with the right names, signed by an authority that nobody trusts."""
    folder = tmp_path_factory.mktemp("foreign")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                    "/O=system:masters/CN=kube-apiserver-kubelet-client", "-keyout",
                    folder / "pair.key", "-out", folder / "pair.crt"],
                   check=True, capture_output=True)
    return folder / "pair"


def test_port_answers_the_api_server_and_nobody_else(world, foreign):
    pki = world.folder / "control-plane/pki"
    assert port(world, "/healthz") == 200
    for path in ("/pods", "/runningpods/", "/containerLogs/default/x/x"):
        assert port(world, path) in (401, 403), f"{path} without a certificate"
        assert port(world, path, foreign) in (401, 403), f"{path} with a foreign certificate"
        assert port(world, path, pki / "scheduler") in (401, 403), f"{path} as the scheduler"
    assert port(world, "/pods", pki / "apiserver-kubelet-client") == 200
    assert port(world, "/runningpods/", pki / "admin") == 200
    assert port(world, "/containerLogs/default/nobody/x", pki / "admin") == 404


def fields_below(schemas, start):
    """Of an OpenAPI document: "type.field" of each field that objects of the type can hold."""
    prefix, found, todo = "io.k8s.api.core.v1.", set(), [start]
    seen = set(todo)
    while todo:
        kind = todo.pop()
        for name, field in schemas[prefix + kind].get("properties", {}).items():
            found.add(f"{kind}.{name}")
            for used in re.findall(rf"{re.escape(prefix)}(\w+)", json.dumps(field)):
                if used not in seen:
                    seen.add(used)
                    todo.append(used)
    return found


def test_the_table_of_fields_has_each_field_of_the_api(world):
    """tests/unit holds provider/field_table.c to this list."""
    schemas = json.loads(world.kubectl("get", "--raw", "/openapi/v3/api/v1").stdout)
    listed = (pathlib.Path(__file__).parents[1] / "data/kubernetes/pod-fields.txt").read_text()
    lines = [line.split("\t")[0] for line in listed.splitlines()]
    assert len(lines) == len(set(lines))
    assert set(lines) == fields_below(schemas["components"]["schemas"], "PodSpec")
