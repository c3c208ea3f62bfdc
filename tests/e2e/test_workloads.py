# SPDX-License-Identifier: Apache-2.0
"""What applications do inside of a container group: find themselves and Services, ask the API
server, come from a private registry."""

import base64
import json

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
