# SPDX-License-Identifier: Apache-2.0
"""Pods as users write them: default service account token, restricted security context, `args`
beside `command`, port 80. Nothing in them was chosen to pass."""

WEB = "aci-kubelet/http-server:1.0"
CRASHER = "aci-kubelet/crasher:1.0"
SHELL = "busybox"

TOLERATION = {"key": "virtual-kubelet.io/provider", "operator": "Equal", "value": "azure",
              "effect": "NoSchedule"}


def container(name, image, **fields):
    return {"name": name, "image": image,
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"},
                          "limits": {"cpu": "250m", "memory": "128Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]}}, **fields}


def web(**fields):
    return container("web", WEB, command=["/bin/http-server"], args=["-r", "burst"],
                     ports=[{"name": "http", "containerPort": 80}], **fields)


def shell(script, name="main", **fields):
    return container(name, SHELL, command=["/bin/sh", "-c"], args=[script], **fields)


def pod_spec(*containers, **fields):
    return {"nodeSelector": {"type": "virtual-kubelet"}, "tolerations": [TOLERATION],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": list(containers), **fields}


def pod(name, *containers, **fields):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": pod_spec(*containers, **fields)}


def deployment(name, replicas, *containers, **fields):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels},
                                  "spec": pod_spec(*containers, **fields)}}}
