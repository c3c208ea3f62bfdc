# SPDX-License-Identifier: Apache-2.0
"""What applications do inside of a container group: find themselves and Services, ask the API
server, come from a private registry, are replaced while customers are served."""

import base64
import datetime
import json
import threading
import time

import kubernetes
import pytest

import manifests
from polling import eventually

TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"
SHELL = "aci-kubelet/bash:1.0"  # it has curl


def log_of(world, namespace, pod):
    return world.kubectl("logs", "-n", namespace, pod, check=False).stdout


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.fixture(name="reviewer")
def _reviewer(world, namespace):
    """The namespace's default account may have tokens reviewed."""
    world.kubectl("create", "clusterrolebinding", namespace, "--clusterrole=system:auth-delegator",
                  f"--serviceaccount={namespace}:default")
    yield
    world.kubectl("delete", "clusterrolebinding", namespace)


@pytest.mark.usefixtures("reviewer")
def test_a_pod_knows_its_address_its_services_and_the_api_server(world, namespace):
    """Its token is good for the API server, which it finds by its environment."""
    world.apply(namespace, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "my-db"},
        "spec": {"ports": [{"name": "sql", "port": 5432}], "clusterIP": "10.96.7.7"}})
    review = ('{\\"apiVersion\\":\\"authentication.k8s.io/v1\\",\\"kind\\":\\"TokenReview\\",'
              '\\"spec\\":{\\"token\\":\\"$T\\"}}')
    script = (
        'echo "$POD_IP $URL $0 $MY_DB_SERVICE_HOST $MY_DB_SERVICE_PORT_SQL"\n'
        f"T=$(cat {TOKENS}/token)\n"
        f'curl -sS --retry 5 --retry-all-errors --cacert {TOKENS}/ca.crt '
        '-H "Authorization: Bearer $T" -H "Content-Type: application/json" '
        f'-d "{review}" "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/apis/'
        'authentication.k8s.io/v1/tokenreviews" | tr -d "\\n"\necho\n'
        "cat /tokens/vault; echo; exec sleep 3600")
    pod = manifests.pod("asker", manifests.container(
        "main", SHELL, command=["/bin/sh", "-c"], args=[script, "--bind=$(POD_IP):80"],
        env=[{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
             {"name": "URL", "value": "http://$(POD_IP)/"}],
        volumeMounts=[{"name": "tokens", "mountPath": "/tokens"}]),
        volumes=[{"name": "tokens", "projected": {"sources": [{"serviceAccountToken": {
            "path": "vault", "audience": "vault", "expirationSeconds": 600}}]}}])
    pod["metadata"]["annotations"] = {"aci-kubelet.io/start-wrapper": "true"}
    world.apply(namespace, pod)
    said = eventually(lambda: (text := log_of(world, namespace, "asker")).count("\n") >= 3 and text,
                      60, "the pod has asked the API server").splitlines()
    address = world.pod(namespace, "asker").status.pod_ip
    assert said[0] == f"{address} http://{address}/ --bind={address}:80 10.96.7.7 5432"
    status = json.loads(said[1])["status"]
    assert status["authenticated"] is True, said[1]
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["asker"]
    annotations = world.pod(namespace, "asker").metadata.annotations
    assert annotations["aci-kubelet.io/billed-size"] == "1 CPU and 1 GB"
    # Nothing can renew a file of a running group: another audience's token lives as long as granted.
    claims = claims_of(said[2])
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    assert abs(time_of(annotations["aci-kubelet.io/token-expiry"]) - claims["exp"]) < 3600


def pull_secret(name, server, user, password):
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    config = {"auths": {server: {"auth": auth}}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json.dumps(config)}}


def test_a_private_image_needs_its_credential(world, namespace):
    """Without one the registry's refusal is shown and tried again; the pod runs once it is there."""
    value = world.values
    image = f"{value['PRIVATE_NAME']}/library/busybox:latest"

    def private(name):
        return manifests.pod(
            name, manifests.container("main", image, command=["/bin/sh", "-c"],
                                      args=["echo pulled; exec sleep 3600"]),
            imagePullSecrets=[{"name": "registry"}])

    def waiting():
        state = world.pod(namespace, "late").status.container_statuses[0].state
        return state.waiting if state.waiting.reason in ("ErrImagePull", "ImagePullBackOff") else None

    world.apply(namespace, private("late"))
    message = eventually(waiting, 60, "the registry refuses the pull").message
    assert image in message
    assert world.pod(namespace, "late").status.phase == "Pending"
    world.apply(namespace, pull_secret("registry", value["PRIVATE_NAME"], value["PRIVATE_USER"],
                                       value["PRIVATE_PASSWORD"]))
    for name in ("early", "late"):
        if name == "early":
            world.apply(namespace, private(name))
        eventually(lambda pod=name: log_of(world, namespace, pod) == "pulled\n", 60,
                   f"pod {name} runs")
    assert value["PRIVATE_PASSWORD"] not in json.dumps(world.groups_of(namespace))
    for name in ("aci-kubelet", "aci-emulator"):
        assert value["PRIVATE_PASSWORD"] not in world.log(name)


class Customers(threading.Thread):
    """Ask a Service's ready endpoints all the time. There is no kube-proxy in this world; as behind
    one they hear of a change late, by LAG seconds at most."""

    LAG = 1.5

    def __init__(self, world, namespace, service):
        super().__init__(daemon=True)
        self.world, self.namespace, self.service = world, namespace, service
        self.discovery = kubernetes.client.DiscoveryV1Api(world.core.api_client)
        self.served, self.failures = {}, []
        self.enough = threading.Event()

    def addresses(self):
        slices = self.discovery.list_namespaced_endpoint_slice(
            self.namespace, label_selector=f"kubernetes.io/service-name={self.service}").items
        return [endpoint.addresses[0] for one in slices for endpoint in one.endpoints or []
                if endpoint.conditions.ready]

    def run(self):
        known, heard = [], -self.LAG
        while not self.enough.wait(0.02):
            if time.monotonic() - heard >= self.LAG:
                known, heard = self.addresses(), time.monotonic()
            for address in known:
                if time.monotonic() - heard >= self.LAG:
                    break
                try:
                    assert "hello" in self.world.fetch(address)
                    self.served[address] = self.served.get(address, 0) + 1
                except (OSError, AssertionError) as error:
                    self.failures.append(f"{address}: {error!r}")

    def leave(self):
        self.enough.set()
        self.join(30)


def test_a_rolling_update_fails_no_request(world, namespace):
    """Ready by its probe before it gets requests; still there while the last of them come."""
    server = manifests.web(
        readinessProbe={"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        lifecycle={"preStop": {"sleep": {"seconds": 15}}}, env=[{"name": "VERSION", "value": "1"}])
    web = manifests.deployment("web", 2, server)
    web["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    world.apply(namespace, web, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}})
    customers = Customers(world, namespace, "web")
    before = set(eventually(lambda: len(found := customers.addresses()) == 2 and found, 90,
                            "both pods are ready endpoints"))
    customers.start()
    try:
        eventually(lambda: before <= customers.served.keys(), 90, "both pods serve")
        world.kubectl("set", "env", "-n", namespace, "deployment/web", "VERSION=2")
        world.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=220s")
        eventually(lambda: len(world.pods(namespace)) == 2, 60, "the old pods are gone")
        after = set(customers.addresses())
        eventually(lambda: after <= customers.served.keys(), 90, "both new pods serve")
    finally:
        customers.leave()
    assert customers.failures == []
    assert len(after) == 2 and not after & before
