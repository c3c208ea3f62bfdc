# SPDX-License-Identifier: Apache-2.0
"""Values of the chart, from the least that it takes to all kinds of credentials."""

import copy

GUID = "00000000-0000-0000-0000-0000000000"
SUBNET = (f"/subscriptions/{GUID}a1/resourceGroups/burst/providers/Microsoft.Network/virtualNetworks/"
          "burst/subnets/")
LEAST = {
    "image": {"repository": "registry.example/aci-kubelet"},
    "azure": {"subscriptionId": f"{GUID}a1", "resourceGroup": "burst", "location": "westeurope",
              "tenantId": f"{GUID}b2",
              "credentials": {"type": "workloadIdentity", "clientId": f"{GUID}c3"}},
}


def merged(*parts):
    """Later parts win; lists are replaced."""
    whole = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, dict) and isinstance(whole.get(key), dict):
                whole[key] = merged(whole[key], value)
            else:
                whole[key] = copy.deepcopy(value)
    return whole


def credentials(kind, **more):
    return {"azure": {"credentials": {"type": kind, **more}}}


CASES = {
    "least": {},
    "managed identity": credentials("managedIdentity"),
    "client secret": credentials("clientSecret", clientSecret="s3cret"),
    "client secret of a Secret": credentials("clientSecret", existingSecret="mine"),
    "client certificate": credentials("clientCertificate", existingSecret="mine"),
    "azure.json": credentials("azureJson", existingSecret="mine"),
    "one process": {"replicas": 1},
    "several nodes": {"nodes": [
        {"name": "burst-eu", "subnetIds": [SUBNET + "a", SUBNET + "b"]},
        {"name": "burst-us", "location": "eastus", "resourceGroup": "burst-us",
         "options": {"cpu": 200, "taint-effect": "NoExecute"}},
        {"name": "burst-windows", "os": "Windows"}],
        "options": {"cpu": "100", "cluster-dns": "10.0.0.10"}},
    "everything else": {
        "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "registry"}]},
        "serving": {"certificate": "secret", "secretName": "port"},
        "clientCA": {"configMapName": "clients", "key": "ca.pem"},
        "serviceAccount": {"name": "burst", "annotations": {"a": "b"}},
        "networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                          "egress": [{"ports": [{"protocol": "TCP", "port": 443}]}]},
        "nodeSelector": {"pool": "system"}, "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-cluster-critical", "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "extraEnv": [{"name": "LOG_ANALYTICS_KEY", "valueFrom": {
            "secretKeyRef": {"name": "logs", "key": "key"}}}],
        "extraVolumes": [{"name": "proxy", "secret": {"secretName": "proxy"}}],
        "extraVolumeMounts": [{"name": "proxy", "mountPath": "/etc/proxy", "readOnly": True}],
        "options": {"log-analytics-id": f"{GUID}d4"}, "fullnameOverride": "burst", "port": 10350},
    "nothing that can be left out": {"drain": {"enabled": False}, "replicas": 1,
                                     "podDisruptionBudget": {"enabled": False},
                                     "networkPolicy": {"enabled": False}},
}
