# SPDX-License-Identifier: Apache-2.0
"""ConfigMaps and Secrets arrive in real containers, as environment and as files, and are never shown
by ARM."""

import json

import manifests
from polling import eventually

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
          "data": {"COLOUR": "blue", "greeting": "hello $(COLOUR)\n"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"},
          "stringData": {"PASSWORD": "hunter2-hunter2", "key.pem": "line 1\nline 2\n"}}

SCRIPT = """
echo "env $COLOUR $PASSWORD $FROM_MAP $POD_NAME"
cat /etc/settings/greeting /etc/login/key.pem /etc/all/renamed
grep -c . /etc/podinfo/labels
exec sleep 3600
"""


def reader():
    container = manifests.shell(
        SCRIPT,
        env=[{"name": "PASSWORD",
              "valueFrom": {"secretKeyRef": {"name": "login", "key": "PASSWORD"}}},
             {"name": "FROM_MAP",
              "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}}},
             {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        envFrom=[{"configMapRef": {"name": "settings"}}],
        volumeMounts=[{"name": "settings", "mountPath": "/etc/settings"},
                      {"name": "login", "mountPath": "/etc/login", "readOnly": True},
                      {"name": "all", "mountPath": "/etc/all"},
                      {"name": "podinfo", "mountPath": "/etc/podinfo"}])
    return manifests.pod(
        "reader", container, volumes=[
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "login", "secret": {"secretName": "login"}},
            {"name": "all", "projected": {"sources": [
                {"configMap": {"name": "settings",
                               "items": [{"key": "COLOUR", "path": "renamed"}]}}]}},
            {"name": "podinfo", "downwardAPI": {"items": [
                {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}])


def test_config_maps_and_secrets_arrive_and_stay_secret(world, namespace):
    pod = reader()
    pod["metadata"]["labels"] = {"app": "reader", "tier": "test"}
    world.apply(namespace, CONFIG, SECRET, pod)
    log = eventually(lambda: (text := world.kubectl("logs", "-n", namespace, "reader",
                                                    check=False).stdout).count("\n") >= 5 and text,
                     60, "the container printed what it was given")
    # The projected file has no newline of its own.
    assert log == ("env blue hunter2-hunter2 blue reader\nhello $(COLOUR)\nline 1\nline 2\n"
                   "blue2\n")
    assert "hunter2" not in json.dumps(world.groups_of(namespace))
    for name in ("aci-kubelet", "aci-emulator"):
        assert "hunter2" not in world.log(name)


def test_pod_waits_for_a_config_map_that_comes_later(world, namespace):
    container = manifests.shell("echo $COLOUR; exec sleep 3600",
                                envFrom=[{"configMapRef": {"name": "settings"}}])
    world.apply(namespace, manifests.pod("early", container))
    eventually(lambda: any(event.reason == "MandatoryConfigMapNotFound"
                           for event in world.events(namespace, "early")), 90,
               "an Event names the missing ConfigMap")
    assert world.pod(namespace, "early").status.phase == "Pending"
    world.apply(namespace, CONFIG)
    eventually(lambda: world.kubectl("logs", "-n", namespace, "early", check=False).stdout
               == "blue\n", 60, "the pod runs once the ConfigMap is there")
