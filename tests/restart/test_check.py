# SPDX-License-Identifier: Apache-2.0
"""`aci-kubelet check`: every fault is named with a way out, and hides no other check."""

import json
import subprocess

import pytest

from checker import Checker
from credentials import Authority
from world import TESTS

@pytest.fixture(name="check")
def _check(world):
    yield Checker(world)
    world.clear_faults()
    world.control_post("/surroundings", {
        "registrationState": "Registered", "clockSkewSeconds": 0, "actions": ["*"],
        "notActions": [], "delegation": "Microsoft.ContainerInstance/containerGroups"})


def test_nothing_is_wrong(check):
    found = check.found()
    assert {one[0] for one in found.values()} == {"ok"}, found
    assert "may not" not in json.dumps(found)
    assert found["cluster identity"][1] == "system:serviceaccount:aci-kubelet:aci-kubelet"
    table = check.run()
    assert table.returncode == 0 and "\033" not in table.stdout
    assert table.stdout.splitlines()[-1] == \
        f"{len(found)} checks: {len(found)} ok, 0 warnings, 0 failed, 0 skipped"


GROUPS = "Microsoft.ContainerInstance/containerGroups"
JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"


@pytest.mark.parametrize("what,name,state,detail,remedy", [
    ({"registrationState": "NotRegistered"}, "resource provider", "failed", "is NotRegistered",
     "az provider register --namespace Microsoft.ContainerInstance"),
    ({"delegation": ""}, "subnet", "failed", "pods is not delegated",
     f"--delegations {GROUPS}"),
    ({"delegation": "Microsoft.Web/serverFarms"}, "subnet", "failed",
     "delegated to Microsoft.Web/serverFarms", f"--delegations {GROUPS}"),
    ({"notActions": [GROUPS + "/write"]}, "Azure permissions", "failed",
     f"lacks {GROUPS}/write (a pod starts)", "deploy/azure/role.json"),
    ({"notActions": ["*/Logs/read"]}, "Azure permissions", "warning",
     f"lacks {GROUPS}/containers/logs/read (kubectl logs)", "deploy/azure/role.json"),
    ({"notActions": [JOIN]}, "subnet permissions", "failed", f"lacks {JOIN}",
     "deploy/azure/subnet-role.json"),
    ({"clockSkewSeconds": 3600}, "Azure clock", "failed", " s behind Azure", "NTP"),
    ({"clockSkewSeconds": -60}, "Azure clock", "warning", " s ahead of Azure", "NTP"),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else None)
def test_what_stands_around_the_groups(world, check, what, name, state, detail, remedy):
    world.control_post("/surroundings", what)
    assert not check.only(name, state, detail, remedy)


@pytest.mark.parametrize("operation,status,code,name,state,remedy", [
    ("Subnets_Get", 404, "NotFound", "subnet", "failed", "--subnet-id"),
    ("Subnets_Get", 403, "AuthorizationFailed", "subnet", "warning", "subnets/read"),
    ("Permissions_ListForResourceGroup", 403, "AuthorizationFailed", "Azure permissions", "warning",
     "permissions/read"),
    ("Location_ListUsage", 403, "AuthorizationFailed", "quota", "warning", "usages/read"),
    ("Providers_Get", 403, "AuthorizationFailed", "resource provider", "warning",
     "subscriptions/providers/read"),
    ("ContainerGroups_ListByResourceGroup", 403, "AuthorizationFailed", "resource group", "failed",
     "deploy/azure/role.json"),
])
def test_azure_refuses_one_request(world, check, operation, status, code, name, state, remedy):
    """The running kubelet asks for some of them, too."""
    world.fault(operation, count=0, status=status, code=code, message="not you")
    assert not check.only(name, state, "not you", remedy)


def test_a_quota_is_used_up(world, check):
    before = world.control_get("/quotas")
    try:
        world.control_post("/quotas", {"groups": len(world.groups())})
        assert not check.only("quota", "failed", "ContainerGroups ", "ask for more")
    finally:
        world.control_post("/quotas", before)


@pytest.mark.parametrize("options,name,detail,remedy", [
    ({"resource_group": "nowhere"}, "resource group", "'nowhere' could not be found",
     "az group create --name nowhere"),
    ({"location": "moon"}, "resource provider", "no container groups in region moon", "--location"),
    ({"api_version": "2019-12-01"}, "resource provider", "API version 2019-12-01", "--api-version"),
    ({"subnet_id": "pods"}, "options", "--subnet-id 'pods'", "--help"),
    ({"prices": "cheap"}, "options", "--prices: 'cheap'", "--help"),
    ({"nodename": "Burst_1"}, "options", "--nodename 'Burst_1'", "--help"),
    ({"node_ip": "127.0.0.1"}, "node address", "leads the API server to itself", "--node-ip"),
    ({"port": "10250"}, "kubelet port", "10250", "ss -ltnp"),
])
def test_an_option_is_wrong(check, options, name, detail, remedy):
    check.only(name, "failed", detail, remedy, **options)


def test_a_file_is_missing(check):
    assert not check.only("files", "failed", "--client-ca-file /no/such/file: No such file", "the path",
                          client_ca_file="/no/such/file")


def test_a_file_holds_something_else(check, tmp_path):
    (tmp_path / "ca.crt").write_text("no certificate")
    assert not check.only("files", "failed", "client CA ", "give PEM",
                          client_ca_file=tmp_path / "ca.crt")


def test_an_address_that_is_somewhere_else_is_a_warning(check):
    assert not check.only("node address", "warning", "192.0.2.7 is no address", "passes its connections",
                          node_ip="192.0.2.7")


def test_a_missing_option_leaves_the_other_checks(check):
    others = check.only("options", "failed", "--location is missing", "--help", location=None)
    assert {state for state, *_ in others.values()} == {"skipped"}
    assert "cluster rights" not in others and "Azure credentials" in others


def test_a_wrong_secret_leaves_the_cluster(check):
    others = check.only("Azure credentials", "failed", "", "look at the credentials", secret="wrong")
    assert {state for state, *_ in others.values()} == {"skipped"}
    assert "quota" in others and "cluster rights" not in others


def test_no_answer_from_azure_ends_in_time(world, check):
    world.fault("Location_ListUsage", count=0, delayMs=600000)
    assert not check.only("quota", "failed", "no answer within --timeout", "above", timeout="12s")


def kubeconfig(world, folder, **changes):
    """The service account's, changed: server, token or certificate-authority-data."""
    config = json.loads(world.kubectl("config", "view", "--raw", "-o", "json", "--kubeconfig",
                                      str(world.folder / "kubelet.kubeconfig")).stdout)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    for name, value in changes.items():
        (user if name == "token" else cluster)[name] = value
    if "insecure-skip-tls-verify" in changes:
        cluster.pop("certificate-authority-data", None)
        cluster.pop("certificate-authority", None)
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("changes,name,detail,remedy", [
    ({"server": "https://10.240.0.1:9"}, "API server", "10.240.0.1", "kubeconfig"),
    ({"token": "stale"}, "API server", "", "make a new kubeconfig"),
    ({"server": "https://10.240.0.3:8443"}, "API server", "certificate", "CA in the kubeconfig"),
], ids=["nobody-there", "stale-token", "other-authority"])
def test_the_api_server_is_not_reached(world, check, tmp_path, changes, name, detail, remedy):
    others = check.only(name, "failed", detail, remedy,
                        kubeconfig=kubeconfig(world, tmp_path, **changes))
    assert {state for state, *_ in others.values()} == {"skipped"}
    assert "cluster rights" in others and "quota" not in others


def test_no_kubeconfig(check, tmp_path):
    others = check.only("API server", "failed", str(tmp_path), "--kubeconfig",
                        kubeconfig=tmp_path / "none")
    assert "quota" not in others


def test_a_user_without_rights(world, check, tmp_path):
    world.kubectl("create", "serviceaccount", "bare", "-n", "default")
    world.script("../controlplane/serviceaccount", world.folder / "control-plane", "default",
                 "bare", tmp_path / "bare")
    found = check.found(kubeconfig=tmp_path / "bare")
    state, detail, remedy = found["cluster rights"]
    assert state == "failed" and "system:serviceaccount:default:bare may not: " in detail
    for right in ("create nodes", "patch nodes/status", "watch pods", "patch pods/status",
                  "create leases.coordination.k8s.io in kube-node-lease"):
        assert right in detail
    assert "deploy/manifests/rbac.yaml" in remedy and "bare" in remedy
    assert {name: one[0] for name, one in found.items() if one[0] != "ok"} == {
        "cluster rights": "failed", "node name": "skipped"}


@pytest.fixture(name="node_kubeconfig", scope="module")
def _node_kubeconfig(world, tmp_path_factory):
    """Of system:node:virtual-kubelet, by a client certificate."""
    folder = tmp_path_factory.mktemp("node")
    pki = world.folder / "control-plane/pki"
    certificate, key = Authority(folder, pki / "ca.crt", pki / "ca.key").sign(
        f"/O=system:nodes/CN=system:node:{world.node}")
    config = json.loads(world.kubectl("config", "view", "--raw", "-o", "json").stdout)
    config["users"][0]["user"] = {"client-certificate": certificate, "client-key": key}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    world.kubectl("apply", "-f", str(TESTS.parent / "deploy/manifests/node-identity.yaml"))
    return path


def test_a_node_by_certificate_has_what_it_needs(world, check, node_kubeconfig):
    """Under the Node authorizer, which gives a node its own objects alone."""
    found = check.found(kubeconfig=node_kubeconfig)
    assert found["cluster identity"][1] == f"system:node:{world.node}"
    assert {one[0] for one in found.values()} == {"ok"}, found


def test_a_node_under_another_name_fails(check, node_kubeconfig):
    others = check.only("cluster identity", "failed", "not as system:node:other", "--nodename",
                        kubeconfig=node_kubeconfig, nodename="other")
    # Another node's object it may not even look at.
    assert {name: one[0] for name, one in others.items()} == {
        "cluster rights": "failed", "node name": "skipped"}


def rights_of_manifest(world):
    """(verb, group, resource[/subresource], namespace, name) that deploy/manifests/rbac.yaml gives."""
    text = world.kubectl("create", "--dry-run=client", "-o", "json", "-f",
                         str(TESTS.parent / "deploy/manifests/rbac.yaml")).stdout
    decoder, found = json.JSONDecoder(), set()
    while text.strip():
        document, end = decoder.raw_decode(text.strip())
        text = text.strip()[end:]
        for role in document.get("items", [document]):
            if role["kind"] not in ("Role", "ClusterRole"):
                continue
            for rule in role["rules"]:
                found |= {(verb, group, resource, role["metadata"].get("namespace", ""), name)
                          for verb in rule["verbs"] for group in rule["apiGroups"]
                          for resource in rule["resources"]
                          for name in rule.get("resourceNames", [""])}
    return found


def test_the_manifest_gives_what_is_used_and_no_more(world):
    run = subprocess.run([str(world.programs / "aci-kubelet"), "check", "--rights"],
                         capture_output=True, text=True, check=True)
    used = [(one["verb"], one["group"],
             one["resource"] + (f"/{one['subresource']}" if "subresource" in one else ""),
             one.get("namespace", ""), one.get("name", "")) for one in json.loads(run.stdout)]
    assert sorted(used) == sorted(rights_of_manifest(world))


@pytest.mark.parametrize("command", [[], ["check"], ["drain"], ["top"], ["translate"]])
def test_every_command_says_its_version(world, command):
    run = subprocess.run([str(world.programs / "aci-kubelet"), *command, "--version"],
                         capture_output=True, text=True, timeout=20, check=True)
    assert run.stdout.startswith("aci-kubelet ") and "Kubernetes v1." in run.stdout


def test_help_and_wrong_options(check):
    text = check.run("--help").stdout
    for part in ("Nothing is changed anywhere", "--output", "--timeout", "Exit codes"):
        assert part in text
    for wrong in (["--output", "xml"], ["some-node"]):
        run = check.run(*wrong)
        assert run.returncode == 2 and run.stderr.startswith("aci-kubelet check: ")
