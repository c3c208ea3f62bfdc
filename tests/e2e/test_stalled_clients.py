# SPDX-License-Identifier: Apache-2.0
"""Clients that ask for much and read nothing: what they wait for waits, and they cost little. Clients
whose machines vanish: what they had asked for ends."""

import contextlib
import ctypes
import socket
import struct
import urllib.parse

import pytest

import manifests
from credentials import Port
from credentials import cluster_admin as _admin  # pylint: disable=unused-import
from credentials import cluster_authority as _authority  # pylint: disable=unused-import
from polling import eventually
from test_port_limits import MIB, resident

CLIENTS = 20
SO_ATTACH_FILTER = 26
# Each piece that was written leaves a mark.
LOUD = ("while dd if=/dev/zero bs=50000 count=1 2>/dev/null; do echo >>/scratch/steps; done")
# More than a client's share, and below what ACI keeps of a log.
LONG_LOG = ("yes 'a line of the log that is about as long as lines of logs are, with its time' | "
            "head -n 30000; echo end; exec sleep 100000")


class Stalled:
    """A connection to the kubelet port that sent its request and does not read."""

    def __init__(self, world, admin, path, headers=()):
        plain = socket.socket()
        # Before the connection, or the kernel has already promised more.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(240)
        plain.connect((world.node_address, 10250))
        self.connection = Port(world.node_address, 10250).context(admin).wrap_socket(plain)
        self.connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "",
                                             ""]).encode())

    def vanish(self):
        """From now on its kernel drops what comes, unanswered, as if the machine was off."""
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
        self.connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                                   struct.pack("HP", 1, ctypes.addressof(drop_all)))

    def close(self):
        self.connection.close()


def exec_path(namespace, *command):
    words = "&".join("command=" + urllib.parse.quote(word) for word in command)
    return f"/exec/{namespace}/source/main?output=1&{words}"


UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
           "Sec-WebSocket-Protocol: v4.channel.k8s.io"]


@pytest.fixture(name="namespace")
def _source(world, shared_namespace):
    """The namespace of a pod that has much to tell."""
    world.apply(shared_namespace, manifests.pod("source", manifests.shell(
        LONG_LOG, volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}]),
        volumes=[{"name": "scratch", "emptyDir": {}}], terminationGracePeriodSeconds=0))
    eventually(lambda: "end" in world.kubectl("logs", "-n", shared_namespace, "source", "--tail=1",
                                              check=False).stdout, 60, "the pod has its log")
    return shared_namespace


def stands(figure):
    """A condition: figure() is not 0, and the same as when it was asked for last."""
    seen = None

    def same():
        nonlocal seen
        before, seen = seen, figure()
        return seen and seen == before
    return same


def cost(world, admin, stack, clients, settled):
    """MiB that it costs the kubelet when these clients came and everything settled."""
    before = resident(world.kubelet_pid())
    for path, headers in clients:
        stack.callback(Stalled(world, admin, path, headers).close)
    eventually(settled, 180, "the source stands still", every=1)
    return (resident(world.kubelet_pid()) - before) / MIB


def run(world, namespace, *command):
    return world.kubectl("exec", "-n", namespace, "source", "--", *command).stdout


def test_commands_wait_for_clients_that_do_not_read(world, namespace, admin):
    run(world, namespace, "true")
    with contextlib.ExitStack() as stack:
        steps = stands(lambda: int(run(world, namespace, "sh", "-c",
                                       "touch /scratch/steps; wc -l </scratch/steps")))
        grown = cost(world, admin, stack, [(exec_path(namespace, "sh", "-c", LOUD), UPGRADE)] *
                     CLIENTS, steps)
        print(f"{grown:.1f} MiB for {CLIENTS} commands")
        assert grown < 20


def test_logs_wait_for_clients_that_do_not_read(world, namespace, admin):
    """30,000 lines: each client's share of the answer is a fraction of it."""
    world.kubectl("logs", "-n", namespace, "source")
    path = f"/containerLogs/{namespace}/source/main?follow=true"
    with contextlib.ExitStack() as stack:
        reads = stands(lambda: world.control_get("/stats")["operations"]["Containers_ListLogs"])
        grown = cost(world, admin, stack, [(path, [])] * CLIENTS, reads)
        print(f"{grown:.1f} MiB for {CLIENTS} logs")
        assert grown < 20
        assert world.kubectl("logs", "-n", namespace, "source").stdout.count("\n") == 30001


def test_clients_whose_machines_vanish_leave_no_session(world, namespace, admin):
    """No FIN comes: one had nothing to be told, one is told much, one had stopped to read before."""
    def streams():
        return world.control_get("/stats")["streams"]

    before = streams()
    with contextlib.ExitStack() as stack:
        clients = [Stalled(world, admin, exec_path(namespace, *command), UPGRADE)
                   for command in (["sleep", "5151"], ["sh", "-c", "while sleep 1; do date; done"],
                                   ["yes"])]
        for client in clients:
            stack.callback(client.close)
        eventually(lambda: streams() == before + len(clients), 60, "all sessions of ACI stand")
        for client in clients:
            client.vanish()
        eventually(lambda: streams() == before, 90, "ACI's sessions are closed", every=1)
