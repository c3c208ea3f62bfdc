# SPDX-License-Identifier: Apache-2.0
"""The roles of deploy/azure are enough, and none of their actions is too many. The emulator knows by
itself which operation needs which action, and refuses as ARM does."""

import contextlib
import json
import subprocess

import pytest

from checker import Checker
from polling import eventually
from simulated import pod
from world import TESTS

FOLDER = TESTS.parent / "deploy/azure"
ACI = "Microsoft.ContainerInstance/containerGroups"
# What the emulator can't show here: figures of Azure Monitor are asked for only after the extension
# was silent for a while, a deletion ends before its operation is asked for, a probe fails only where
# containers are real, a subnet is not looked at when a group is put into it.
NOT_SHOWN = {"Microsoft.Insights/metrics/read",
             "Microsoft.ContainerInstance/containerGroups/restart/action",
             "Microsoft.ContainerInstance/locations/operations/read",
             "Microsoft.Network/virtualNetworks/subnets/join/action"}


def role_actions():
    return [action for name in ("role.json", "subnet-role.json", "subscription-role.json")
            for action in json.loads((FOLDER / name).read_text())["Actions"]]


@pytest.fixture(name="roles")
def _roles(world):
    """Sets what the identity may do; ends with everything."""
    yield lambda actions: world.control_post("/surroundings", {"actions": actions})
    world.control_post("/surroundings", {"actions": ["*"]})


def is_running(world, namespace, name):
    return world.pod(namespace, name).status.phase == "Running"


@contextlib.contextmanager
def try_streams(world, *commands):
    """The simulated engine has no shell to exec in: that ACI was asked is enough."""
    running = [subprocess.Popen([str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig),
                                 *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL) for command in commands]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def used(world):
    return set(world.control_get("/surroundings")["usedActions"])


def test_all_that_users_do_works_with_the_roles_and_uses_each_action(world, namespace, roles):
    wanted = role_actions()
    assert len(wanted) == len(set(wanted))
    roles(wanted)
    world.restart_kubelet()
    world.apply(namespace, pod("web", "serve"))
    eventually(lambda: is_running(world, namespace, "web"), 90, "a pod runs")
    world.kubectl("logs", "-n", namespace, "web")
    with try_streams(world, ["exec", "-n", namespace, "web", "--", "true"],
                     ["attach", "-n", namespace, "web"]):
        eventually(lambda: {f"{ACI}/containers/exec/action", f"{ACI}/containers/attach/action"}
                   <= used(world), 90, "exec and attach are asked for")
    world.core.delete_namespaced_pod("web", namespace)
    eventually(lambda: not world.pods(namespace), 60, "the pod is gone")
    found = Checker(world).found()
    assert {one[0] for one in found.values()} == {"ok"}, found
    left = set(wanted) - NOT_SHOWN
    assert used(world) - NOT_SHOWN == left


@pytest.mark.refused_puts
def test_a_missing_action_is_named_on_the_pod_until_it_is_granted(world, namespace, roles):
    roles([action for action in role_actions() if action != f"{ACI}/write"])
    world.apply(namespace, pod("early", "serve"))
    eventually(lambda: world.pod(namespace, "early").status.reason == "AuthorizationFailed", 60,
               "the pod tells why")
    early = world.pod(namespace, "early")
    assert early.status.phase == "Pending"
    assert f"lacks the action {ACI}/write" in early.status.message
    assert "deploy/azure" in early.status.message
    roles(role_actions())
    world.apply(namespace, pod("later", "serve"))
    eventually(lambda: is_running(world, namespace, "later"), 60, "the next one runs")
    eventually(lambda: is_running(world, namespace, "early"), 120, "and so does the first")
