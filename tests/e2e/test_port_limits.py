# SPDX-License-Identifier: Apache-2.0
"""What strangers and broken clients do to the kubelet port: they get nothing, cost little, and the
others do not notice."""

import concurrent.futures
import contextlib
import os
import pathlib
import socket
import ssl
import time
import urllib.parse

import pytest

import manifests
from credentials import Port
from credentials import cluster_admin as _admin  # pylint: disable=unused-import
from credentials import cluster_authority as _authority  # pylint: disable=unused-import
from own_kubelet import ADDRESS, NUMBER
from own_kubelet import start_kubelet as _start_kubelet  # pylint: disable=unused-import
from polling import eventually
from test_port_forward import forwarding

MIB = 1 << 20
IDLE, HALF_OPEN, SLOW = 1000, 200, 100
ROUNDS = 5


def resident(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def stranger(address=ADDRESS, number=NUMBER, certificate=None):
    """A TLS connection."""
    plain = socket.create_connection((address, number), timeout=240)
    return Port(address, number).context(certificate).wrap_socket(plain)


def is_closed(connection):
    """The server has ended it; what it said before is dropped."""
    connection.settimeout(0)
    try:
        while connection.recv(1 << 16):
            pass
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def test_crowds_of_strangers_cost_little_and_are_not_noticed(kubelet, admin):
    gate = kubelet(pods=1).wait()
    assert gate.port.ask("/pods", admin)[0] == 200
    before = resident(gate.process.pid)
    with contextlib.ExitStack() as stack:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            idle = list(pool.map(lambda _: stranger(), range(IDLE)))
        half_open = [socket.create_connection((ADDRESS, NUMBER)) for _ in range(HALF_OPEN)]
        for connection in half_open[::2]:
            # The beginning of a handshake: a record of 512 bytes that never ends.
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        slow = [stranger() for _ in range(SLOW)]
        for connection in (*idle, *half_open, *slow):
            stack.callback(connection.close)
        for connection in slow:
            connection.sendall(b"GET /pods HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        grown = resident(gate.process.pid) - before
        known = gate.port.connection(admin)
        for _ in range(20):
            known.request("GET", "/pods")
            answer = known.getresponse()
            assert answer.status == 200
            answer.read()
            assert gate.port.ask("/pods", admin)[0] == 200
        assert grown < 96 * MIB, f"{grown // MIB} MiB for {IDLE + HALF_OPEN + SLOW} connections"
        # Those who drip go on: it does not help them.
        deadline = time.monotonic() + 240
        waiting = [*idle, *half_open, *slow]
        while waiting and time.monotonic() < deadline:
            for connection in slow:
                with contextlib.suppress(OSError, ValueError):
                    connection.send(b"a")
            waiting = [connection for connection in waiting if not is_closed(connection)]
            time.sleep(0.2)
        assert not waiting, f"{len(waiting)} strangers stay"
        known.request("GET", "/pods")
        assert known.getresponse().status == 200


HEAD = b"GET /pods HTTP/1.1\r\nHost: x\r\n"
GARBAGE = {
    "no TLS": (False, b"GET /pods HTTP/1.1\r\nHost: x\r\n\r\n"),
    "random bytes for a handshake": (False, os.urandom(64 * 1024)),
    "random bytes for a request": (True, os.urandom(64 * 1024)),
    "nothing but blanks": (True, b" " * 64 * 1024),
    "a head over its limit": (True, HEAD + b"X: " + b"a" * 64 * 1024 + b"\r\n\r\n"),
    "too many headers": (True, HEAD + b"".join(b"X-%d: y\r\n" % i for i in range(2000)) + b"\r\n"),
    "a body over its limit": (True, b"POST /pods HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                    b"99999999999\r\n\r\n" + b"b" * 64 * 1024),
    "two lengths": (True, HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "chunks that are none": (True, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "HTTP/2": (True, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(1024)),
    "folded lines": (True, HEAD + b"X: a\r\n b\r\n\r\n"),
}


def test_garbage_for_a_request_ends_its_connection_alone(kubelet, admin):
    gate = kubelet().wait()
    known = gate.port.connection(admin)
    before = None
    for round_ in range(ROUNDS):
        for what, (over_tls, data) in GARBAGE.items():
            connection = (stranger(certificate=admin) if over_tls
                          else socket.create_connection((ADDRESS, NUMBER)))
            with connection:
                with contextlib.suppress(OSError):
                    connection.sendall(data)
                eventually(lambda: is_closed(connection), 60, f"{what}: the connection ends", 0.01)
        known.request("GET", "/pods")
        answer = known.getresponse()
        assert answer.status == 200
        answer.read()
        if round_ == 0:
            before = resident(gate.process.pid)
    assert resident(gate.process.pid) - before < 16 * MIB


UPGRADES = {
    "SPDY": ["POST", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"],
    "websocket": ["GET", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                  "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io"],
}


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_garbage_after_the_upgrade_ends_its_connection_alone(world, namespace, admin, upgrade):
    world.apply(namespace, manifests.pod("web", manifests.web()))
    eventually(lambda: world.pod(namespace, "web").status.phase == "Running", 60, "the pod runs")
    eventually(lambda: world.fetch(world.pod(namespace, "web").status.pod_ip), 60, "it answers")
    method, *headers = UPGRADES[upgrade]
    head = "\r\n".join([f"{method} /portForward/{namespace}/web HTTP/1.1", "Host: x",
                        "Connection: Upgrade", *headers, "", ""]).encode()
    with forwarding(world, namespace, "pod/web", 80) as other:
        assert other.get()
        before = None
        for round_ in range(ROUNDS):
            with stranger(world.node_address, 10250, admin) as connection:
                connection.settimeout(120)
                connection.sendall(head)
                assert connection.recv(1 << 16).startswith(b"HTTP/1.1 101 ")
                with contextlib.suppress(OSError):
                    connection.sendall(b"\x80\x07garbage" + os.urandom(MIB))
                eventually(lambda: is_closed(connection), 60, "the connection ends", 0.01)
            if round_ == 0:
                before = resident(world.kubelet_pid())
        assert resident(world.kubelet_pid()) - before < 16 * MIB
        assert other.get(), "the other client's forward goes on"


STALLED = 20
# By its path, so that the process is known by its words, which the shell's own commands are not.
FLOOD = ["/bin/busybox", "yes", "nobody reads this"]
ENOUGH = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_clients_that_stop_reading_cost_little_and_leave_nothing_behind(world, namespace, admin):
    world.apply(namespace, manifests.pod("source", manifests.shell("exec sleep 100000",
                                                                   resources=ENOUGH),
                                         terminationGracePeriodSeconds=0))
    eventually(lambda: world.pod(namespace, "source").status.phase == "Running", 60, "it runs")

    def floods():
        shown = world.kubectl("exec", "-n", namespace, "source", "--", "ps").stdout
        return shown.count(" ".join(FLOOD))
    assert floods() == 0
    query = urllib.parse.urlencode([("command", word) for word in FLOOD] + [("output", "1")])
    head = "\r\n".join([f"GET /exec/{namespace}/source/main?{query} HTTP/1.1", "Host: x",
                        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                        "Sec-WebSocket-Protocol: v4.channel.k8s.io", "", ""]).encode()
    pid = world.kubelet_pid()
    before = resident(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(STALLED):
            connection = stack.enter_context(stranger(world.node_address, 10250, admin))
            connection.sendall(head)
            assert connection.recv(16).startswith(b"HTTP/1.1 101 ")
        eventually(lambda: floods() == STALLED, 60, "all commands run")
        used = float("-inf")

        def rests():
            nonlocal used
            last, used = used, cpu_seconds(pid)
            return used - last < 0.05
        # What is in the way fills up, and then nothing moves.
        eventually(rests, 60, "aci-kubelet has nothing to do", every=1)
        grown = resident(pid) - before
        assert floods() == STALLED
    print(f"{grown / MIB:.1f} MiB for {STALLED} stalled clients")
    assert grown < 20 * MIB
    eventually(lambda: floods() == 0, 60, "what nobody listens to has ended", every=0.5)
