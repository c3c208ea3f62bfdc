# SPDX-License-Identifier: Apache-2.0
"""Azure file shares on real containers: they outlive pods, they open by their account's key, and a
read-only one is read-only."""

import base64
import json

import manifests
from polling import eventually

DRIVER = "file.csi.azure.com"
KEY = base64.b64encode(b"the key of the account").decode()
OTHER_KEY = base64.b64encode(b"the key of yesterday").decode()


def secret(name, account, key):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"azurestorageaccountname": account, "azurestorageaccountkey": key}}


def log_of(world, namespace, pod):
    return world.kubectl("logs", "-n", namespace, pod, check=False).stdout


def volume_for(claim, namespace, account):
    """A volume that somebody made before the claim, as file.csi.azure.com describes one."""
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
                     "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
                     "claimRef": {"namespace": namespace, "name": claim},
                     "csi": {"driver": DRIVER, "volumeHandle": f"burst#{account}#counter#",
                             "volumeAttributes": {"shareName": "counter"},
                             "nodeStageSecretRef": {"name": "account", "namespace": namespace}}}}


def stateful_set(name, *containers):
    labels = {"app": name}
    claim = {"metadata": {"name": "data"},
             "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "",
                      "resources": {"requests": {"storage": "1Gi"}}}}
    spec = manifests.pod_spec(*containers, terminationGracePeriodSeconds=1)
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
            "spec": {"replicas": 1, "serviceName": name, "selector": {"matchLabels": labels},
                     "volumeClaimTemplates": [claim],
                     "template": {"metadata": {"labels": labels}, "spec": spec}}}


def test_what_a_stateful_set_wrote_outlives_its_pods(world, namespace):
    account = "stateful"
    world.control_post("/storage-accounts", {"name": account, "key": KEY})
    script = "echo once more >>/data/starts; grep -c . /data/starts; exec sleep 3600"
    container = manifests.shell(script, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    world.apply(namespace, volume_for("data-counter-0", namespace, account))
    try:
        world.apply(namespace, secret("account", account, KEY), stateful_set("counter", container))
        eventually(lambda: log_of(world, namespace, "counter-0") == "1\n", 60, "the first pod counts 1")
        first = world.pod(namespace, "counter-0").metadata.uid
        world.kubectl("delete", "pod", "-n", namespace, "counter-0", "--wait=false")
        eventually(lambda: world.pod(namespace, "counter-0").metadata.uid != first
                   and log_of(world, namespace, "counter-0") == "2\n", 60,
                   "its successor of the same name finds what it wrote")
        second = world.pod(namespace, "counter-0").metadata.uid
        groups = eventually(lambda: len(found := world.groups_of(namespace)) == 1 and found, 90,
                            "the group of the first pod is gone")
        assert groups[0]["tags"]["aci-kubelet-uid"] == second
        volumes = groups[0]["properties"]["volumes"]
        (share,) = [volume["azureFile"] for volume in volumes if "azureFile" in volume]
        assert (share["shareName"], share["storageAccountName"]) == ("counter", account)
        assert KEY not in json.dumps(groups)
    finally:
        world.kubectl("delete", "statefulset", "-n", namespace, "--all")
        world.kubectl("delete", "pv", namespace, "--wait=false", check=False)


def test_a_share_opens_by_its_key_alone_and_stays_read_only(world, namespace):
    account = "keyed"
    world.control_post("/storage-accounts", {"name": account, "key": KEY})
    script = "touch /data/x 2>/dev/null || echo refused; exec sleep 3600"
    pod = manifests.pod(
        "reader", manifests.shell(script, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        volumes=[{"name": "data", "csi": {
            "driver": DRIVER, "readOnly": True,
            "volumeAttributes": {"secretName": "account", "shareName": "papers"}}}])
    world.apply(namespace, secret("account", account, OTHER_KEY), pod)
    waiting = "Failed to mount Azure File Volume."
    eventually(lambda: any(waiting in (event.message or "")
                           for event in world.events(namespace, "reader")), 60,
               "an Event says that the share does not open")
    assert world.pod(namespace, "reader").status.phase == "Pending"
    # ACI tries again by itself.
    world.control_post("/storage-accounts", {"name": account, "key": OTHER_KEY})
    eventually(lambda: log_of(world, namespace, "reader") == "refused\n", 60,
               "the pod runs once the key is right, and can't write")
