# SPDX-License-Identifier: Apache-2.0
"""Two processes for one node: one leads, the other takes over, and never do both write to Azure."""

import signal
import subprocess

import pytest

from own_kubelet import Kubelet
from polling import eventually, holds
from simulated import pod

NODE = "elected"
LEASE = f"aci-kubelet-{NODE}"
ADDRESSES = ("10.240.0.2", "10.240.0.4")
NUMBER = 10450
# Long enough for a machine that is busy with other tests.
SHORT = {"leader_elect_lease_duration": "15s", "leader_elect_renew_deadline": "11s",
         "leader_elect_retry_period": "500ms"}
# So long that nobody leads in time but by a Lease that was given back.
LONG = {"leader_elect_lease_duration": "300s", "leader_elect_renew_deadline": "200s",
        "leader_elect_retry_period": "500ms"}


@pytest.fixture(name="replica")
def _replica(world, tmp_path):
    """A function that starts the process of one of ADDRESSES."""
    started = []
    subprocess.run(["ip", "addr", "replace", f"{ADDRESSES[1]}/32", "dev", "lo"], check=True)

    def start(which, **options):
        folder = tmp_path / f"replica-{len(started)}"
        folder.mkdir()
        started.append(Kubelet(
            world, folder, NODE, azure=True, node_ip=ADDRESSES[which], address=ADDRESSES[which],
            port=NUMBER, leader_elect="true", arm_limits="off", create_limits="off",
            delete_limits="off", tls_cert_file=None, tls_private_key_file=None,
            rotate_server_certificates="true", **options))
        return started[-1].wait()

    yield start
    for process in started:
        process.process.send_signal(signal.SIGCONT)
        process.stop()
    world.kubectl("delete", "node", "--ignore-not-found", NODE)
    world.kubectl("delete", "lease", "-n", "kube-system", "--ignore-not-found", LEASE)


def holder(world):
    return world.coordination.read_namespaced_lease(LEASE, "kube-system").spec.holder_identity


def address(world):
    return next(entry.address for entry in world.core.read_node(NODE).status.addresses
                if entry.type == "InternalIP")


def leads(process):
    return '"Leading"' in process.text()


def elected(name):
    manifest = pod(name, "serve")
    manifest["spec"]["nodeName"] = NODE
    return manifest


def is_running(world, namespace, name):
    return world.pod(namespace, name).status.phase == "Running"


def approve_all(world):
    names = world.kubectl("get", "csr", "-o", "name").stdout.split()
    if names:
        world.kubectl("certificate", "approve", *names)


def is_served(world):
    """The API server reaches the kubelet port and trusts its certificate."""
    approve_all(world)
    return world.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/configz",
                         check=False).returncode == 0


def test_a_paused_leader_writes_nothing_once_its_lease_is_over(world, replica, namespace):
    first = replica(0, **SHORT)
    first.until(lambda: address(world) == ADDRESSES[0], "the first one serves the node")
    second = replica(1, **SHORT)
    second.until(lambda: second.port.ask("/readyz") == (
        200, f"[+]leader-election ok: standing by, leader: {holder(world)}\nreadyz check passed\n"),
                 "the second one stands by")
    assert second.port.ask("/livez")[0] == 200
    assert second.port.ask("/pods")[0] == 503
    world.apply(namespace, elected("before"))
    first.until(lambda: is_running(world, namespace, "before"), "the first pod runs")
    groups = world.engine_groups(namespace)

    first.process.send_signal(signal.SIGSTOP)
    second.until(lambda: leads(second), "the second one leads")
    # Before it has done anything for the pod that comes now: only the first one could.
    second.process.send_signal(signal.SIGSTOP)
    world.apply(namespace, elected("meanwhile"))
    first.process.send_signal(signal.SIGCONT)
    first.until(lambda: first.process.poll() is not None, "the first one ends by itself", 60)
    assert first.process.returncode not in (0, None)
    assert "may not act for node elected any more" in first.text()
    assert world.engine_groups(namespace) == groups

    # The second one was stopped for as long as that: it may lead still or has to end as well.
    second.process.send_signal(signal.SIGCONT)
    third = replica(0, **SHORT)
    third.until(lambda: is_running(world, namespace, "meanwhile"), "the second pod runs")
    after = world.engine_groups(namespace)
    assert groups.items() <= after.items(), "what ran was started again"
    assert sorted(world.puts_of(namespace).values()) == [1, 1]


def test_the_next_release_takes_over_at_once_and_touches_no_group(world, replica, namespace):
    first = replica(0, **LONG)
    first.until(lambda: address(world) == ADDRESSES[0], "the first one serves the node")
    world.apply(namespace, elected("stays"))
    first.until(lambda: is_running(world, namespace, "stays"), "the pod runs")
    first.until(lambda: is_served(world), "the API server reaches it")
    groups = world.engine_groups(namespace)
    second = replica(1, **LONG)
    second.until(lambda: '"Standing by; another process leads"' in second.text(),
                 "the second one stands by")
    holds(lambda: not leads(second), 2, "the second one leads beside the first")

    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(240) == 0
    second.until(lambda: leads(second), "the second one leads", 60)
    second.until(lambda: address(world) == ADDRESSES[1], "the node has its address")
    second.until(lambda: is_served(world), "the API server reaches it, by its own certificate")
    world.apply(namespace, elected("later"))
    second.until(lambda: is_running(world, namespace, "later"), "a new pod runs")
    assert groups.items() <= world.engine_groups(namespace).items()
    assert is_running(world, namespace, "stays")
    assert sorted(world.puts_of(namespace).values()) == [1, 1]
    # One that never led ends without touching the Lease.
    third = replica(0, **LONG)
    third.until(lambda: '"Standing by; another process leads"' in third.text(), "a third stands by")
    before = holder(world)
    third.process.send_signal(signal.SIGTERM)
    assert third.process.wait(240) == 0
    assert holder(world) == before


def test_a_leader_that_can_not_reach_its_lease_ends(world, replica, namespace):
    first = replica(0, **SHORT)
    first.until(lambda: address(world) == ADDRESSES[0], "the first one serves the node")
    world.apply(namespace, elected("stays"))
    first.until(lambda: is_running(world, namespace, "stays"), "the pod runs")
    groups = world.engine_groups(namespace)
    world.stop_api_server()
    try:
        first.until(lambda: first.process.poll() is not None, "it ends", 40)
    finally:
        world.start_api_server()
    assert first.process.returncode not in (0, None)
    assert "was not renewed for 11000 ms" in first.text()
    again = replica(0, **SHORT)
    eventually(lambda: leads(again), 60, "the next one leads")
    assert world.engine_groups(namespace) == groups
