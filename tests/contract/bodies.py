# SPDX-License-Identifier: Apache-2.0
"""Container groups as clients send them."""

import copy
import re

from emulator import LOCATION

# Values that a client sends and that must never come back.
SECRETS = ("secret-of-environment", "secret-of-registry", "c2VjcmV0LW9mLXZvbHVtZQ==",
           "c2VjcmV0LW9mLXNoYXJl", "secret-of-workspace", "secret-of-extension")
ENVIRONMENT_SECRET, REGISTRY_SECRET, VOLUME_SECRET, SHARE_SECRET, WORKSPACE_SECRET, \
    EXTENSION_SECRET = SECRETS


def name_of(test):
    """A name for a group, made of a test's."""
    return re.sub(r"[^a-z0-9]+", "-", test.lower().removeprefix("test_"))[:60].strip("-")


def group(*command, image="registry.example/app:1", **properties):
    """One container; the simulated engine runs it for ever unless COMMAND says `sleep N` or
    `exit CODE`."""
    container = {"image": image, "resources": {"requests": {"cpu": 1.0, "memoryInGB": 1.0}}}
    if command:
        container["command"] = list(command)
    return {"location": LOCATION, "properties": {
        "osType": "Linux", "restartPolicy": "Never",
        "containers": [{"name": "app", "properties": container}], **properties}}


def changed(body, *path, value=None):
    """A copy of a body with one member set, or removed when no value is given."""
    body = copy.deepcopy(body)
    node = body
    for step in path[:-1]:
        node = node[step]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return body


def everything():
    """A group that uses every member the emulator can show, secrets included."""
    requests = {"cpu": 1.0, "memoryInGB": 1.5}
    probe = {"exec": {"command": ["true"]}, "initialDelaySeconds": 1, "periodSeconds": 5,
             "failureThreshold": 3, "successThreshold": 1, "timeoutSeconds": 1}
    http_probe = {"httpGet": {"path": "/", "port": 8080, "scheme": "http",
                              "httpHeaders": [{"name": "X-Probe", "value": "1"}]}}
    return {
        "location": LOCATION, "tags": {"team": "burst", "empty": ""},
        "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {
            "/subscriptions/00000000-0000-0000-0000-0000000000a1/resourceGroups/burst/providers"
            "/Microsoft.ManagedIdentity/userAssignedIdentities/puller": {}}},
        "properties": {
            "osType": "Linux", "restartPolicy": "OnFailure", "sku": "Standard",
            "priority": "Regular",
            "initContainers": [{"name": "prepare", "properties": {
                "image": "registry.example/prepare:1", "command": ["exit", "0"],
                "environmentVariables": [
                    {"name": "TOKEN", "secureValue": ENVIRONMENT_SECRET}],
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}}],
            "containers": [
                {"name": "app", "properties": {
                    "image": "registry.example/app:1", "command": ["sleep", "3600"],
                    "ports": [{"port": 8080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
                    "environmentVariables": [
                        {"name": "MODE", "value": "fast"},
                        {"name": "PASSWORD", "secureValue": ENVIRONMENT_SECRET}],
                    "resources": {"requests": requests, "limits": {"cpu": 1.0, "memoryInGB": 2.0}},
                    "volumeMounts": [
                        {"name": "scratch", "mountPath": "/scratch"},
                        {"name": "secrets", "mountPath": "/secrets", "readOnly": True}],
                    "livenessProbe": probe, "readinessProbe": http_probe,
                    "securityContext": {"privileged": False, "allowPrivilegeEscalation": False,
                                        "runAsUser": 1000, "runAsGroup": 1000,
                                        "capabilities": {"add": [], "drop": ["ALL"]}}}},
                {"name": "other", "properties": {
                    "image": "registry.example/other:1", "command": ["sleep", "3600"],
                    "resources": {"requests": requests}}}],
            "imageRegistryCredentials": [{"server": "registry.example", "username": "robot",
                                          "password": REGISTRY_SECRET}],
            "ipAddress": {"type": "Public", "dnsNameLabel": "everything",
                          "ports": [{"port": 8080, "protocol": "TCP"}]},
            "dnsConfig": {"nameServers": ["10.0.0.10"], "searchDomains": "svc.cluster.local",
                          "options": "ndots:2"},
            "diagnostics": {"logAnalytics": {"workspaceId": "workspace", "logType":
                                             "ContainerInsights", "metadata": {"a": "b"},
                                             "workspaceKey": WORKSPACE_SECRET}},
            "extensions": [{"name": "proxy", "properties": {
                "extensionType": "kube-proxy", "version": "1.0",
                "settings": {"clusterCidr": "10.240.0.0/16"},
                "protectedSettings": {"kubeConfig": EXTENSION_SECRET}}}],
            "volumes": [{"name": "scratch", "emptyDir": {}},
                        {"name": "secrets", "secret": {"file": VOLUME_SECRET}},
                        {"name": "share", "azureFile": {
                            "shareName": "share", "storageAccountName": "account",
                            "storageAccountKey": SHARE_SECRET}}]}}
