# SPDX-License-Identifier: Apache-2.0
"""Wrong input ends in one clear line that names the object and the way out; nothing hangs."""

import json
import os
import re
import subprocess

import pytest

import manifests
from polling import eventually, holds

GOOD = {
    "--nodename": "bad-input", "--node-ip": "10.240.0.2", "--port": "10999",
    "--subscription": "00000000-0000-0000-0000-0000000000a1", "--resource-group": "burst",
    "--location": "westeurope", "--arm-endpoint": "https://10.240.0.3:1",
    "--authority-host": "https://10.240.0.3:1",
}
AZURE = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "secret-1f7a"}


class Kubelet:
    """aci-kubelet with given flags, apart from the one of the world. It never outlives a test."""

    def __init__(self, world, folder, flags, env=None):
        self.output = folder / "output"
        # Nothing of the caller's environment decides what is missing.
        clean = {"PATH": os.environ["PATH"], **AZURE, **(env or {})}
        with open(self.output, "wb") as output:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                [str(world.programs / "aci-kubelet"), *flags], env=clean, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT)

    def text(self):
        return self.output.read_text(errors="replace")

    def line(self, pattern):
        return next((line for line in self.text().splitlines() if re.search(pattern, line)), None)

    def end(self, timeout=90):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.text()}") from None

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(name="kubelet")
def _kubelet(world, tmp_path):
    started = []

    def start(flags=None, env=None, **changed):
        names = dict(GOOD, **{"--kubeconfig": str(world.kubeconfig)})
        names.update({"--" + name.replace("_", "-"): value for name, value in changed.items()})
        pki = world.folder / f"control-plane/nodes/{world.node}"
        for name, file in (("--tls-cert-file", "kubelet.crt"), ("--client-ca-file", "ca.crt"),
                           ("--tls-private-key-file", "kubelet.key")):
            names.setdefault(name, str(pki / file))
        all_flags = [f"{name}={value}" for name, value in names.items() if value is not None]
        started.append(Kubelet(world, tmp_path, all_flags + (flags or []), env))
        return started[-1]
    yield start
    for process in started:
        process.stop()
    # A node that one of them registered would attract pods of other tests.
    for node in world.core.list_node().items:
        if node.metadata.name != world.node:
            world.core.delete_node(node.metadata.name)


def kubeconfig(world, tmp_path, **changed):
    """The admin's kubeconfig as JSON, which is YAML, with fields of the cluster or user changed."""
    whole = json.loads(world.kubectl("config", "view", "--raw", "-o", "json").stdout)
    whole["clusters"][0]["cluster"].update(changed.get("cluster", {}))
    if "user" in changed:
        whole["users"][0]["user"] = changed["user"]
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(whole))
    return str(file)


# (flags beside the good ones, what the one line must name)
WRONG_OPTIONS = [
    pytest.param(["--nodenam=x"], [r"--nodenam\b", r"--nodename"], id="unknown flag"),
    pytest.param(["--port=99999"], [r"--port", r"99999", r"65535"], id="port too high"),
    pytest.param(["--port=http"], [r"--port", r"http"], id="port is no number"),
    pytest.param(["--pods=0"], [r"--pods"], id="no pods"),
    pytest.param(["--cpu=much"], [r"--cpu", r"much"], id="cpu is no quantity"),
    pytest.param(["--log-format=xml"], [r"--log-format", r"xml", r"text"], id="unknown format"),
    pytest.param(["--disable-taint=maybe"], [r"--disable-taint", r"maybe"], id="no boolean"),
    pytest.param(["stray"], [r"stray"], id="stray argument"),
    pytest.param(["--resource-group="], [r"--resource-group"], id="empty resource group"),
    pytest.param(["--node-ip=10.240.0.999"], [r"--node-ip", r"10\.240\.0\.999"], id="no address"),
]


@pytest.mark.parametrize("flags,named", WRONG_OPTIONS)
def test_wrong_option_ends_at_once_in_one_line(kubelet, flags, named):
    process = kubelet(flags)
    assert process.end() != 0
    lines = process.text().strip().splitlines()
    assert len(lines) == 1, lines
    for pattern in named:
        assert re.search(pattern, lines[0]), f"{pattern} is not in: {lines[0]}"
    assert AZURE["AZURE_CLIENT_SECRET"] not in process.text()


@pytest.mark.parametrize("content,named", [
    ("port: 10250\nport: 10251\n", [r"port", r"duplicate|twice"]),
    ("prot: 10250\n", [r"prot", r"port"]),
    ("port: [1, 2]\n", [r"port"]),
    ("port: 10250\n  nodename: x\n", [r"line 2|:2"]),
    ("", []),
], ids=["duplicate key", "unknown key", "wrong type", "no YAML", "empty"])
def test_wrong_configuration_file_ends_at_once_in_one_line(kubelet, tmp_path, content, named):
    file = tmp_path / "config.yaml"
    file.write_text(content)
    if not named:
        process = kubelet(config=str(file), kubeconfig=str(tmp_path / "none"))
        assert process.end() != 0
        assert "none" in process.text(), "an empty file is no error; the kubeconfig is"
        return
    process = kubelet(config=str(file), port=None)
    assert process.end() != 0
    lines = process.text().strip().splitlines()
    assert len(lines) == 1, lines
    assert "config.yaml" in lines[0]
    for pattern in named:
        assert re.search(pattern, lines[0]), f"{pattern} is not in: {lines[0]}"


@pytest.mark.parametrize("content,named", [
    (None, r"kubeconfig"),
    ("apiVersion: v1\nkind: Config\n  clusters: [\n", r"kubeconfig"),
    ("apiVersion: v1\nkind: Config\ncurrent-context: gone\ncontexts: []\n", r"gone"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n", r"\bb\b"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n"
     "clusters: [{name: b, cluster: {server: 'https://10.240.0.1:6443'}}]\n"
     "users: [{name: c, user: {exec: {command: get-token}}}]\n", r"exec plugin"),
    ("current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n"
     "clusters: [{name: b, cluster: {server: 'https://10.240.0.1:6443',\n"
     "  certificate-authority: /nowhere/ca.crt}}]\nusers: [{name: c, user: {token: x}}]\n",
     r"/nowhere/ca\.crt"),
], ids=["missing", "malformed", "unknown context", "unknown cluster", "exec plugin", "missing CA"])
def test_wrong_kubeconfig_ends_at_once_in_one_line(kubelet, tmp_path, content, named):
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    process = kubelet(kubeconfig=str(file))
    assert process.end() != 0
    bad = [line for line in process.text().splitlines() if re.search(r"^E\d{4}|aci-kubelet: ", line)]
    assert len(bad) == 1, process.text()
    assert re.search(named, bad[0]), bad[0]
    assert str(file) in bad[0]


def test_unreachable_api_server_is_named_and_tried_again(kubelet, world, tmp_path):
    process = kubelet(kubeconfig=kubeconfig(world, tmp_path,
                                            cluster={"server": "https://10.240.0.1:1"}))
    line = eventually(lambda: process.line(r"10\.240\.0\.1:1\b"), 60, "the address is named")
    assert re.search(r"refused|connect", line, re.I)
    assert process.process.poll() is None, "it keeps trying: the API server may come back"


def test_credentials_that_the_api_server_refuses_end_it(kubelet, world, tmp_path):
    process = kubelet(kubeconfig=kubeconfig(world, tmp_path, user={"token": "tok-93ab"}))
    assert process.end() != 0
    bad = [line for line in process.text().splitlines() if re.search(r"^E\d{4}", line)]
    assert len(bad) == 1, process.text()
    assert re.search(r"credential|401|Unauthorized", bad[0])
    assert "tok-93ab" not in process.text()


def test_certificate_that_is_not_the_clusters_is_named(kubelet, world, tmp_path):
    foreign = tmp_path / "foreign.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=foreign",
                    "-keyout", tmp_path / "foreign.key", "-out", foreign],
                   check=True, capture_output=True)
    config = json.loads(open(kubeconfig(world, tmp_path), encoding="utf-8").read())
    cluster = config["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = str(foreign)
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    process = kubelet(kubeconfig=str(file))
    # The folder of this case has the word in its name.
    line = eventually(lambda: process.line(r"^[EW].*certificate "), 60, "the certificate is named")
    assert "10.240.0.1:6443" in line or "10.240.0.1:6443" in process.text()


def test_wrong_client_secret_is_reported_and_running_pods_stay(kubelet, world):
    process = kubelet(arm_endpoint=world.arm, authority_host=world.arm, nodename="bad-secret",
                      azure_ca_file=str(world.folder / "aci/ca.crt"))
    line = eventually(lambda: process.line(r"AADSTS|invalid_client"), 60, "Entra's error is shown")
    assert AZURE["AZURE_CLIENT_SECRET"] not in process.text()
    assert re.search(r"tenant|client", line, re.I)


def fault(world, status, code, message, count):
    world.control_post("/faults", {
        "operation": "ContainerGroups_CreateOrUpdate", "count": count,
        "action": {"status": status, "code": code, "message": message}})


@pytest.mark.parametrize("status,code", [
    (400, "InvalidContainerGroupRequestBody"), (403, "RequestDisallowedByPolicy"),
])
def test_pod_that_arm_refuses_fails_once_with_arms_own_words(world, namespace, status, code):
    message = f"The emulator was told to refuse this with {code}."
    fault(world, status, code, message, 1)
    puts = sum(world.puts().values())
    world.apply(namespace, manifests.pod("refused", manifests.web()))

    def failed():
        pod = world.pod(namespace, "refused")
        return pod if pod.status.phase == "Failed" else None
    pod = eventually(failed, 90, "the pod is Failed")
    assert pod.status.reason == code
    assert message in pod.status.message
    events = eventually(lambda: [event for event in world.events(namespace, "refused")
                                 if message in (event.message or "")], 60, "an Event says it")
    assert len(events) == 1 and events[0].type == "Warning"
    assert not world.groups_of(namespace)
    holds(lambda: sum(world.puts().values()) - puts <= 1, 3, "a permanent refusal is final")


def test_transient_error_of_arm_delays_a_pod_and_never_fails_it(world, namespace):
    fault(world, 503, "ServiceUnavailable", "Try again later.", 2)
    world.apply(namespace, manifests.pod("patient", manifests.web()))

    def running():
        pod = world.pod(namespace, "patient")
        assert pod.status.phase != "Failed"
        return pod.status.phase == "Running"
    eventually(running, 60, "the pod runs in the end")
    assert len(world.groups_of(namespace)) == 1
