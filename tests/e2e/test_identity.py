# SPDX-License-Identifier: Apache-2.0
"""The identities of a node: its serving certificate, and its client certificate by TLS bootstrap."""

import contextlib
import datetime
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

import manifests
from credentials import cluster_admin as _admin  # pylint: disable=unused-import
from credentials import cluster_authority as _authority  # pylint: disable=unused-import
from own_kubelet import ADDRESS, NUMBER
from own_kubelet import start_kubelet as _start_kubelet  # pylint: disable=unused-import
from polling import eventually
from signer import approving, signing_for
from world import TESTS


def requests(world, signer):
    """Certificate requests by name, newest last."""
    found = json.loads(world.kubectl("get", "csr", "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item
            for item in sorted(found, key=lambda item: item["metadata"]["creationTimestamp"])
            if item["spec"]["signerName"] == f"kubernetes.io/{signer}"}


def is_trusted(world):
    """What the port shows is signed by the cluster, for the port's address."""
    context = ssl.create_default_context(cafile=str(world.folder / "control-plane/pki/ca.crt"))
    try:
        with socket.create_connection((ADDRESS, NUMBER), timeout=60) as plain:
            with context.wrap_socket(plain, server_hostname=ADDRESS):
                return True
    except ssl.SSLCertVerificationError:
        return False


def test_a_port_without_a_certificate_shows_its_own_and_says_so(world, kubelet):
    gate = kubelet(tls_cert_file=None, tls_private_key_file=None).wait()
    assert not is_trusted(world)
    gate.until(lambda: gate.condition("ServingCertificatePending").reason == "SelfSigned",
               "the node says so")
    assert "a certificate that nobody signed" in gate.text()


def test_serving_certificate_is_asked_for_shown_once_approved_and_kept(
        world, kubelet, tmp_path, admin):
    folder = tmp_path / "pki"
    options = {"tls_cert_file": None, "tls_private_key_file": None,
               "rotate_server_certificates": "true", "cert_dir": folder}
    before = set(requests(world, "kubelet-serving"))
    gate = kubelet(**options).wait()
    name = gate.until(lambda: set(requests(world, "kubelet-serving")) - before,
                      "the certificate is asked for").pop()
    assert not is_trusted(world)
    pending = gate.until(lambda: (lambda c: c.status == "True" and c)(
        gate.condition("ServingCertificatePending")), "the node says that it waits")
    assert pending.reason == "ApprovalMissing"
    assert pending.message == f"kubectl certificate approve {name}"
    assert f"kubectl certificate approve {name}" in gate.text()
    # A restart goes on with the same request.
    gate.stop()
    gate = kubelet(**options).wait()
    connection = gate.port.connection(admin)

    def status():
        connection.request("GET", "/pods")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    assert status() == 200
    wire = connection.sock
    world.kubectl("certificate", "approve", name)
    gate.until(lambda: is_trusted(world), "the certificate of the cluster is shown")
    gate.until(lambda: gate.condition("ServingCertificatePending").status == "False",
               "the node does not wait any more")
    assert status() == 200 and connection.sock is wire, "the open connection goes on"
    connection.close()
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]
    # Another start needs no other certificate.
    gate.stop()
    gate = kubelet(**options).wait()
    assert is_trusted(world)
    gate.until(lambda: gate.condition("ServingCertificatePending").reason == "Issued", "it is kept")
    assert set(requests(world, "kubelet-serving")) - before == {name}


@pytest.fixture(name="bootstrap")
def _bootstrap(world, tmp_path, authority, namespace):
    """A kubeconfig that may make certificate requests, and nothing else."""
    world.apply(namespace, {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "test-bootstrappers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "system:node-bootstrapper"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                      "name": "system:bootstrappers"}]})
    world.kubectl("apply", "-f", str(TESTS.parent / "deploy/manifests/node-identity.yaml"))
    certificate, key = authority.sign("/O=system:bootstrappers/CN=system:bootstrap:test")
    whole = json.loads(world.kubectl("config", "view", "--raw", "-o", "json").stdout)
    whole["users"][0]["user"] = {"client-certificate": certificate, "client-key": key}
    file = tmp_path / "bootstrap.kubeconfig"
    file.write_text(json.dumps(whole))
    yield file
    world.kubectl("delete", "clusterrolebinding", "test-bootstrappers")
    world.kubectl("delete", "-f", str(TESTS.parent / "deploy/manifests/node-identity.yaml"))


SCRIPT = ("cat /config/greeting; echo; cat /secret/word; echo; echo $WORD; "
          "test -s /token/token && echo token; sleep 3600")


def test_a_node_that_bootstraps_itself_runs_pods_as_its_own_user(
        world, kubelet, tmp_path, bootstrap, namespace):
    name = "bootstrapped"
    config, folder = tmp_path / "kubeconfig", tmp_path / "pki"
    node = kubelet(name, azure=True, kubeconfig=config, bootstrap_kubeconfig=bootstrap,
                   cert_dir=folder)
    request = node.until(lambda: [
        key for key in requests(world, "kube-apiserver-client-kubelet")
        if f"-{name}-" in key], "the client certificate is asked for")[0]
    assert not config.exists()
    world.kubectl("certificate", "approve", request)
    node.wait()
    node.until(lambda: node.condition("Ready").status == "True", "the node is ready")
    whole = json.loads(config.read_text())
    assert whole["users"][0]["user"]["client-key"] == str(folder / "kubelet-client-current.pem")
    who = json.loads(world.kubectl("auth", "whoami", "-o", "json", f"--kubeconfig={config}").stdout)
    assert who["status"]["userInfo"]["username"] == f"system:node:{name}"

    volumes = [{"name": "config", "configMap": {"name": "config"}},
               {"name": "secret", "secret": {"secretName": "secret"}},
               {"name": "token", "projected": {"sources": [
                   {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]}}]
    world.apply(
        namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"},
         "data": {"greeting": "hello"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"},
         "stringData": {"word": "swordfish"}},
        manifests.pod("web", manifests.shell(
            SCRIPT, volumeMounts=[{"name": v["name"], "mountPath": f"/{v['name']}"}
                                  for v in volumes],
            env=[{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "secret",
                                                                 "key": "word"}}}]),
            volumes=volumes, nodeName=name, terminationGracePeriodSeconds=0))
    node.until(lambda: world.pod(namespace, "web").status.phase == "Running", "the pod runs", 120)
    eventually(lambda: world.kubectl("logs", "-n", namespace, "web").stdout.split() == [
        "hello", "swordfish", "swordfish", "token"], 60, "the pod has what it names")
    eventually(lambda: world.events(namespace, "web"), 60, "events are written, too")
    lease = world.kubectl("get", "lease", "-n", "kube-node-lease", name, check=False)
    assert lease.returncode == 0
    world.core.delete_namespaced_pod("web", namespace)
    node.until(lambda: not world.pods(namespace), "the pod is gone", 120)

    # A second start needs no bootstrap.
    node.stop()
    bootstrap.unlink()
    again = kubelet(name, azure=True, kubeconfig=config, bootstrap_kubeconfig=bootstrap,
                    cert_dir=folder).wait()
    assert "Asking the cluster" not in again.text()


@contextlib.contextmanager
def following(world, namespace, pod):
    """The lines of `kubectl logs -f` as they come."""
    lines = []
    client = subprocess.Popen(
        [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "logs", "-f", "-n",
         namespace, pod], stdout=subprocess.PIPE, text=True)
    reader = threading.Thread(target=lambda: [lines.append(line) for line in client.stdout])
    reader.start()
    try:
        yield lines
    finally:
        client.kill()
        client.wait()
        reader.join()


@contextlib.contextmanager
def typing(world, namespace, pod):
    """A function that sends a line to `kubectl exec -i POD -- cat` and returns what comes back."""
    client = subprocess.Popen(
        [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "exec", "-i", "-n",
         namespace, pod, "--", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def echo(line):
        client.stdin.write(line + "\n")
        client.stdin.flush()
        return client.stdout.readline().strip()
    try:
        yield echo
    finally:
        client.kill()
        client.wait()


def life_at(pem, moment):
    """The part of a certificate's life that is over at a moment, which is to the second."""
    first = ssl_seconds(pem, "-startdate")
    return (moment - first) / (ssl_seconds(pem, "-enddate") - first)


def ssl_seconds(pem, which):
    text = subprocess.run(["openssl", "x509", "-noout", which], input=pem, check=True, text=True,
                          capture_output=True).stdout
    return ssl.cert_time_to_seconds(text.strip().partition("=")[2])


def created(world, name):
    stamp = json.loads(world.kubectl("get", "csr", name, "-o", "json").stdout)["metadata"][
        "creationTimestamp"]
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


@pytest.fixture(name="self_renewal")
def _self_renewal(world, namespace):
    """The cluster approves what nodes ask for themselves."""
    world.apply(namespace, {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "test-self-renewal"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
                      "name": "system:nodes"}]})
    yield
    world.kubectl("delete", "clusterrolebinding", "test-self-renewal")


def test_certificates_are_renewed_by_the_cluster_while_a_command_runs(
        world, kubelet, tmp_path, bootstrap, self_renewal, namespace, request):
    # The signer's certificates hold from five minutes ago, so that most of a minute's life is
    # over at once; with four minutes it shows when they are renewed.
    full = request.config.getoption("--full")
    name, config, folder = "renewed", tmp_path / "kubeconfig", tmp_path / "pki"
    client, server = (lambda: set(requests(world, "kube-apiserver-client-kubelet")),
                      lambda: set(requests(world, "kubelet-serving")))
    pair = folder / "kubelet-client-current.pem"
    with contextlib.ExitStack() as stack:
        stack.enter_context(signing_for(world, "240s" if full else "60s"))
        before = client() | server()
        node = kubelet(name, azure=True, kubeconfig=config, bootstrap_kubeconfig=bootstrap,
                       cert_dir=folder, tls_cert_file=None, tls_private_key_file=None,
                       rotate_server_certificates="true")
        first = node.until(lambda: client() - before, "the client certificate is asked for").pop()
        world.kubectl("certificate", "approve", first)
        stack.enter_context(approving(world, {"kubernetes.io/kubelet-serving"},
                                      f"kubelet-server-{name}-"))
        node.wait()
        old_client = node.until(pair.read_text, "the client certificate is kept")
        node.until(lambda: is_trusted(world), "the certificate of the cluster is shown")
        old_server = node.port.server_certificate()
        world.apply(namespace, manifests.pod("idle", manifests.shell("exec sleep 100000"),
                                             nodeName=name, terminationGracePeriodSeconds=0))
        node.until(lambda: world.pod(namespace, "idle").status.phase == "Running", "it runs", 120)
        with typing(world, namespace, "idle") as echo:
            assert echo("before") == "before"
            patience = 400 if full else 90
            node.until(lambda: node.port.server_certificate() != old_server,
                       "the serving certificate is renewed", patience)
            assert is_trusted(world)
            node.until(lambda: pair.read_text() != old_client,
                       "the client certificate is renewed", patience)
            assert echo("after") == "after", "the command goes on"
        # The API server checks the certificate of the port.
        assert world.kubectl("exec", "-n", namespace, "idle", "--", "echo", "new").stdout == "new\n"
        second = sorted(client() - before - {first}, key=lambda csr: created(world, csr))[0]
        asked = requests(world, "kube-apiserver-client-kubelet")[second]
        assert asked["spec"]["username"] == f"system:node:{name}"
        assert asked["status"]["conditions"][0]["reason"] == "AutoApproved"
        if full:
            assert 0.69 < life_at(old_client, created(world, second)) < 0.93
            renewals = sorted(created(world, csr) for csr in server() - before)
            assert 0.69 < life_at(old_server, renewals[1]) < 0.93
            # Once the first ones have expired the node needs the new ones for all it does.
            eventually(lambda: life_at(old_client, time.time()) > 1, 400, "it expires", every=2)
            world.kubectl("delete", "pod", "-n", namespace, "idle")
            node.until(lambda: not world.pods(namespace), "the pod is gone", 60)
            assert is_trusted(world)


def test_a_serving_certificate_that_is_replaced_breaks_no_stream(
        world, namespace, authority):
    """The world's own port: its files are replaced while a log is followed and a command runs."""
    world.apply(namespace, manifests.pod("chatty", manifests.shell(
        "i=0; while :; do echo line $i; i=$((i + 1)); sleep 0.2; done"),
        terminationGracePeriodSeconds=0))
    eventually(lambda: world.pod(namespace, "chatty").status.phase == "Running", 60, "it runs")
    pki = world.folder / f"control-plane/nodes/{world.node}"
    old = ssl.get_server_certificate((world.node_address, 10250))
    with following(world, namespace, "chatty") as lines, \
            typing(world, namespace, "chatty") as echo:
        assert echo("before") == "before"
        eventually(lambda: len(lines) > 5, 60, "the log is followed")
        certificate, key = authority.sign(
            f"/O=system:nodes/CN=system:node:{world.node}", usage="serverAuth",
            san=f"DNS:{world.node},IP:{world.node_address}")
        for source, target in ((key, "kubelet.key"), (certificate, "kubelet.crt")):
            fresh = pki / f"{target}.new"
            with open(source, "rb") as text:
                fresh.write_bytes(text.read())
            fresh.rename(pki / target)
        eventually(lambda: ssl.get_server_certificate((world.node_address, 10250)) != old, 90,
                   "the new certificate is shown")
        seen = len(lines)
        eventually(lambda: len(lines) > seen + 10, 60, "the stream goes on")
        assert echo("after") == "after", "the command goes on"
    assert [int(line.split()[1]) for line in lines] == list(range(len(lines))), "no line is lost"
    # New streams come by the new certificate.
    assert "line 0" in world.kubectl("logs", "-n", namespace, "chatty", "--limit-bytes=100").stdout
