# SPDX-License-Identifier: Apache-2.0
"""What the chart makes of values, and which it refuses. The API server says whether it is right."""

import subprocess

import pytest
import yaml

from conftest import CHART, TESTS
from rights import rights
from values import CASES, LEAST, SUBNET, credentials, merged


def containers(objects):
    """Pod specs of whatever runs."""
    return [one["spec"]["template"]["spec"] for one in objects.values()
            if one["kind"] in ("Deployment", "Job")]


def arguments(objects, name):
    return objects["Deployment", name]["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_what_is_rendered(world, helm, case):
    world.kubectl("create", "namespace", "aci", check=False)
    values = merged(LEAST, CASES[case])
    lint = helm.run("lint", "--strict", CHART, "-f", helm.file(values))
    assert "0 chart(s) failed" in lint.stdout
    text = helm.run("template", "burst", CHART, "-n", "aci", "-f", helm.file(values)).stdout
    run = world.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert "arning" not in run.stderr, run.stderr
    for spec in containers(helm.render(values)):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]}}
            assert container["resources"]["requests"] and container["resources"]["limits"]
        assert not any("hostPath" in volume for volume in spec.get("volumes") or [])


def test_its_pods_are_allowed_where_pod_security_is_restricted(world, helm):
    world.kubectl("create", "namespace", "restricted")
    world.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    for spec in containers(helm.render(LEAST)):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "like"},
               "spec": dict(spec, serviceAccountName="default")}
        world.kubectl("apply", "-n", "restricted", "--dry-run=server", "-f", "-",
                      stdin=yaml.safe_dump(pod))


def test_the_program_takes_what_is_rendered(world, helm, tmp_path):
    """Each argument is an option; what is missing then is the cluster."""
    for case, more in CASES.items():
        for spec in containers(helm.render(merged(LEAST, more))):
            container = spec["containers"][0]
            names = [entry.split("=")[0] for entry in container["args"] if entry.startswith("--")]
            assert len(names) == len(set(names)), case
            env = {entry["name"]: entry.get("value", "10.0.0.7") for entry in container["env"]}
            missing = tmp_path / "azure.json"
            missing.write_text("{}")
            args = [entry.replace("/etc/azure/azure.json", str(missing))
                    for entry in container["args"]]
            run = subprocess.run([str(world.programs / "aci-kubelet"), *args], env=env, timeout=120,
                                 capture_output=True, text=True, check=False)
            said = run.stdout + run.stderr
            assert "no service account of a pod either" in said, f"{case}: {args}: {said}"


def test_each_node_has_a_deployment_of_its_own(helm):
    objects = helm.render(merged(LEAST, CASES["several nodes"]))
    eu = arguments(objects, "burst-aci-kubelet-burst-eu")
    assert f"--subnet-id={SUBNET}a,{SUBNET}b" in eu
    assert {"--location=westeurope", "--resource-group=burst", "--cpu=100"} <= set(eu)
    us = arguments(objects, "burst-aci-kubelet-burst-us")
    assert {"--location=eastus", "--resource-group=burst-us", "--cpu=200",
            "--taint-effect=NoExecute", "--cluster-dns=10.0.0.10"} <= set(us)
    assert "--os=Windows" in arguments(objects, "burst-aci-kubelet-burst-windows")
    kinds = [kind for kind, _ in objects]
    assert (kinds.count("Deployment"), kinds.count("PodDisruptionBudget"), kinds.count("Job")) == \
        (3, 3, 3)


def test_names_stay_apart_and_short_however_long_they_are(helm):
    nodes = [{"name": f"{'a-long-name.' * 5}{n}"} for n in "xy"]
    objects = helm.render(merged(LEAST, {"nodes": nodes, "fullnameOverride": "f" * 60}))
    names = [name for kind, name in objects if kind in ("Deployment", "Job")]
    assert len(names) == len(set(names)) == 4
    assert all(len(name) <= 63 for name in names)


def test_a_single_process_has_to_lead_as_well(helm):
    """A Deployment replaces a pod whose machine is away, where the old process may go on; and with
    more replicas than before new ones run beside it."""
    objects = helm.render(merged(LEAST, CASES["one process"]))
    assert "--leader-elect=true" in arguments(objects, "burst-aci-kubelet-virtual-kubelet")
    assert ("Role", "burst-aci-kubelet") in objects
    assert not [kind for kind, _ in objects if kind == "PodDisruptionBudget"]


def test_numbers_of_options_stay_whole(helm):
    args = arguments(helm.render(merged(LEAST, {"options": {"pods": 100000000, "v": 2, "cpu": 0.5,
                                                            "disable-taint": True}})),
                     "burst-aci-kubelet-virtual-kubelet")
    assert {"--pods=100000000", "--v=2", "--cpu=0.5", "--disable-taint=true"} <= set(args)


def test_names_of_digits_are_text(helm):
    values = merged(LEAST, credentials("clientCertificate", existingSecret="12"), {
        "serving": {"certificate": "secret", "secretName": "34"}, "clientCA": {"configMapName": "56"}})
    text = helm.run("template", "78", CHART, "-n", "90", "-f", helm.file(values)).stdout

    def texts(value):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(below, (dict, list)):
                yield from texts(below)
            elif key in ("name", "namespace", "secretName", "app.kubernetes.io/instance"):
                yield below
    found = list(texts([one for one in yaml.safe_load_all(text) if one]))
    assert all(isinstance(one, str) for one in found)
    assert {"12", "34", "56", "78", "90"} <= set(found)


def test_releases_of_two_namespaces_share_no_cluster_wide_object(helm):
    def names(release, namespace):
        text = helm.run("template", release, CHART, "-n", namespace, "-f", helm.file(LEAST)).stdout
        return {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
                for one in yaml.safe_load_all(text) if one}
    assert not names("b-c", "a") & names("c", "a-b")


def test_what_options_need_beside_goes_to_every_container(helm):
    for spec in containers(helm.render(merged(LEAST, CASES["everything else"]))):
        container = spec["containers"][0]
        assert "LOG_ANALYTICS_KEY" in [entry["name"] for entry in container["env"]]
        assert "proxy" in [mount["name"] for mount in container["volumeMounts"]]
        assert "proxy" in [volume["name"] for volume in spec["volumes"]]


def test_a_secret_stands_in_the_secret_alone(helm):
    objects = helm.render(merged(LEAST, CASES["client secret"]))
    assert objects.pop(("Secret", "burst-aci-kubelet-azure"))["stringData"] == {
        "clientSecret": "s3cret"}
    assert "s3cret" not in yaml.safe_dump(list(objects.values()))


REFUSED = {
    "image.repository is missing": {"image": {"repository": ""}},
    "azure.subscriptionId is missing": {"azure": {"subscriptionId": ""}},
    "azure.resourceGroup is missing, and so is nodes[0].resourceGroup":
        {"azure": {"resourceGroup": ""}},
    "azure.location is missing, and so is nodes[0].location": {"azure": {"location": ""}},
    "azure.tenantId is missing: workloadIdentity": {"azure": {"tenantId": ""}},
    "azure.credentials.clientId is missing": {"azure": {"credentials": {"clientId": ""}}},
    "clientSecret needs clientSecret, or existingSecret": credentials("clientSecret"),
    "clientSecret and existingSecret are both set":
        credentials("clientSecret", clientSecret="a", existingSecret="b"),
    "existingSecret is missing: azureJson": credentials("azureJson"),
    "nodes[1].name: burst is there twice": {"nodes": [{"name": "burst"}, {"name": "burst"}]},
    "options.port: this chart sets it, by the value port": {"options": {"port": 1}},
    "options.nodename: this chart sets it": {"nodes": [{"name": "a", "options": {"nodename": "b"}}]},
    "options.leader-elect-lease-duration: this chart sets it":
        {"options": {"leader-elect-lease-duration": "30s"}},
    "options.log-analytics-key: it is a secret": {"options": {"log-analytics-key": "a2V5"}},
    "serving.secretName is missing": {"serving": {"certificate": "secret"}},
    "serving.secretName: a certificate that is selfSigned": {"serving": {"secretName": "port"}},
    "azure.credentials.clientSecret: workloadIdentity uses none":
        credentials("workloadIdentity", clientSecret="a"),
    "azure.credentials.existingSecret: managedIdentity uses none":
        credentials("managedIdentity", existingSecret="a"),
    # These are the schema's.
    "at '/azure/subscriptionId': 'production' does not match": {"azure": {"subscriptionId": "production"}},
    "at '/replicas': minimum: got 0, want 1": {"replicas": 0},
    "additional properties 'replicaCount' not allowed": {"replicaCount": 2},
    "at '/azure/credentials/type': value must be one of": credentials("password"),
    "at '/nodes': minItems: got 0, want 1": {"nodes": []},
    "at '/nodes/0/subnetIds/0': 'pods' does not match": {"nodes": [{"name": "a", "subnetIds": ["pods"]}]},
    "at '/nodes/0/os': value must be one of": {"nodes": [{"name": "a", "os": "linux"}]},
    "at '/drain/timeout': '10' does not match": {"drain": {"timeout": "10"}},
    "at '/clientCA/key': minLength: got 0, want 1": {"clientCA": {"key": ""}},
    "at '/nodes/0/name': 'a": {"nodes": [{"name": "a" * 64}]},
    "at '/options': additional properties 'clusterdns' not allowed": {"options": {"clusterdns": "10.0.0.10"}},
    "at '/nodes/0/options': additional properties 'pod' not allowed":
        {"nodes": [{"name": "a", "options": {"pod": 5}}]},
    "missing property 'serving'": {"serving": None},
    "missing property 'nodes'": {"nodes": None},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_can_not_be_meant_is_refused_by_name(helm, message):
    assert message in helm.refusal(merged(LEAST, REFUSED[message]))


def test_the_plain_manifest_holds_the_same_rights(helm):
    """Without the names of nodes, which it can't know."""
    objects = helm.render(merged(LEAST, {"serving": {"certificate": "requested"},
                                         "drain": {"enabled": False}}))
    manifest = (TESTS.parent / "deploy/manifests/rbac.yaml").read_text()

    def what(found, namespace):
        return {(right.namespace == namespace or right.namespace, *right[2:5])
                for right in rights(one for one in found if one)}
    assert what(yaml.safe_load_all(manifest), "aci-kubelet") == what(objects.values(), "aci")
