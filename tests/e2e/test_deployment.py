# SPDX-License-Identifier: Apache-2.0
"""A Deployment on the virtual node: scheduler, controllers, real containers."""

import manifests
from polling import eventually


def ready(world, namespace, count):
    pods = [pod for pod in world.pods(namespace) if pod.metadata.deletion_timestamp is None
            and any(condition.type == "Ready" and condition.status == "True"
                    for condition in pod.status.conditions or [])]
    return pods if len(pods) == count else None


def test_deployment_of_http_servers_scales_up_and_down(world, namespace):
    world.apply(namespace, manifests.deployment("burst", 3, manifests.web(),
                                                terminationGracePeriodSeconds=1))
    pods = eventually(lambda: ready(world, namespace, 3), 60, "3 pods are Ready")
    assert len({pod.status.pod_ip for pod in pods}) == 3
    for pod in pods:
        assert pod.spec.node_name == world.node
        assert pod.status.phase == "Running"
        assert "hello from a container group" in eventually(
            lambda pod=pod: world.fetch(pod.status.pod_ip), 60, f"{pod.metadata.name} answers")
        log = eventually(lambda pod=pod: world.kubectl(
            "logs", "-n", namespace, pod.metadata.name).stdout, 60, "kubectl logs has lines")
        assert "serving on port 80" in log
    # The controller counts them in its own time.
    eventually(lambda: world.apps.read_namespaced_deployment("burst", namespace)
               .status.available_replicas == 3, 60, "3 replicas are available")
    assert len(world.groups_of(namespace)) == 3

    world.kubectl("scale", "-n", namespace, "deployment/burst", "--replicas=10")
    pods = eventually(lambda: ready(world, namespace, 10), 90, "10 pods are Ready")
    assert len({pod.status.pod_ip for pod in pods}) == 10
    for pod in pods:
        eventually(lambda pod=pod: world.fetch(pod.status.pod_ip), 60, "every pod answers")
    assert len(world.groups_of(namespace)) == 10

    world.kubectl("scale", "-n", namespace, "deployment/burst", "--replicas=0")
    eventually(lambda: not world.pods(namespace), 60, "no pod is left")
    eventually(lambda: not world.groups_of(namespace), 60, "no container group is left")


def test_kubectl_rollout_status_sees_the_deployment_complete(world, namespace):
    world.apply(namespace, manifests.deployment("web", 2, manifests.web()))
    run = world.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=200s")
    assert "successfully rolled out" in run.stdout
