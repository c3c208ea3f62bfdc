# SPDX-License-Identifier: Apache-2.0
"""kubectl port-forward: from the client through the API server and the kubelet port to the pod."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import subprocess

import kubernetes
import kubernetes.stream
import pytest

import manifests
from polling import eventually

# kubectl speaks websocket to the API server, and SPDY where it is told so.
PROTOCOLS = {"websocket": {}, "spdy": {"KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}}


class Forward:
    """A kubectl that forwards; `ports` are the local ones, in the order of the arguments."""

    def __init__(self, world, namespace, target, *ports, env=None):
        self.process = subprocess.Popen(
            [str(world.bin / "kubectl"), "--kubeconfig", str(world.kubeconfig), "port-forward",
             "-n", namespace, "--address", "127.0.0.1", target, *(f":{port}" for port in ports)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, **(env or {})))
        self.ports = []
        for _ in ports:
            line = self.process.stdout.readline()
            match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", line)
            if not match:
                self.process.kill()
                raise AssertionError(f"kubectl said {line!r}: {self.process.communicate()[1]}")
            self.ports.append(int(match[1]))

    def connect(self, index=0):
        return socket.create_connection(("127.0.0.1", self.ports[index]), timeout=240)

    def get(self, index=0):
        """The body that the pod's HTTP server answers with."""
        with self.connect(index) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: pod\r\n\r\n")
            return read_all(connection).partition(b"\r\n\r\n")[2]

    def close(self):
        """What kubectl said of errors."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=240)[1]


def read_all(connection):
    data = b""
    while piece := connection.recv(1 << 16):
        data += piece
    return data


@contextlib.contextmanager
def forwarding(*arguments, **options):
    forward = Forward(*arguments, **options)
    try:
        yield forward
    finally:
        forward.close()


@pytest.fixture(name="web")
def _web(world, namespace):
    world.apply(namespace, manifests.deployment("web", 1, manifests.web()), {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 8000, "targetPort": 80}]}})

    def ready():
        pods = [pod for pod in world.pods(namespace, "app=web") if pod.status.phase == "Running"]
        return pods and world.fetch(pods[0].status.pod_ip) and pods[0].metadata.name
    return eventually(ready, 60, "the web server answers")


def listening(world, namespace, name):
    """The ports that somebody in the pod listens on. A connection to find out would take the turn
    of the one that counts."""
    sockets = world.kubectl("exec", "-n", namespace, name, "--", "cat", "/proc/net/tcp",
                            "/proc/net/tcp6", check=False).stdout
    return {int(port, 16) for port in re.findall(r":([0-9A-F]{4}) 0+:0000 0A", sockets)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_connections_at_once(world, namespace, protocol):
    """Each to a port of its own: the queue of a server in a shell is short."""
    ports = range(7001, 7201)
    world.apply(namespace, manifests.pod("echo", manifests.shell(
        f"for port in $(seq {ports[0]} {ports[-1]}); do nc -l -p $port -e cat & done; wait")))
    eventually(lambda: listening(world, namespace, "echo") >= set(ports), 120, "the pod listens")
    with forwarding(world, namespace, "pod/echo", *ports, env=PROTOCOLS[protocol]) as forward:
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(forward.connect(i)) for i in range(len(ports))]
            # All are open before the first one ends.
            for number, connection in enumerate(connections):
                connection.sendall(b"%d\n" % number)
                assert connection.recv(100) == b"%d\n" % number
            for connection in connections:
                connection.shutdown(socket.SHUT_WR)
            assert [read_all(connection) for connection in connections] == [b""] * len(ports)


@pytest.mark.parametrize("target,port", [("deployment/web", 80), ("service/front", 8000)])
def test_deployments_and_services_are_forwarded(world, namespace, web, target, port):
    assert web
    with forwarding(world, namespace, target, port) as forward:
        assert forward.get()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_are_kept_and_half_close_passes_through(world, namespace, protocol):
    """`cat` on the socket answers with all it got, and ends only because it saw the end."""
    world.apply(namespace, manifests.pod("echo", manifests.shell(
        "while :; do nc -l -p 7000 -e cat; done"), restartPolicy="Never"))
    eventually(lambda: 7000 in listening(world, namespace, "echo"), 60, "the pod listens")
    data = os.urandom(3_000_000)
    with forwarding(world, namespace, "pod/echo", 7000, env=PROTOCOLS[protocol]) as forward:
        with forward.connect() as connection, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            reader = pool.submit(read_all, connection)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert reader.result(timeout=240) == data


def test_several_ports_and_one_that_nobody_listens_on(world, namespace, web):
    forward = Forward(world, namespace, f"pod/{web}", 80, 81)
    try:
        assert forward.get(0)
        with forward.connect(1) as connection:
            connection.sendall(b"x")
            with contextlib.suppress(ConnectionError):
                assert read_all(connection) == b""
    finally:
        said = forward.close()
    assert re.search(r"error forwarding port 81 to pod .*: connect to [\d.]+ port 81: "
                     r"Connection refused", said), said


def test_python_client_forwards_over_websocket_channels(world, web, namespace):
    """The API server passes them through to the kubelet port as they are."""
    # A client of its own: the stream function changes the one that it is given.
    core = kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(str(world.kubeconfig)))
    forward = kubernetes.stream.portforward(core.connect_get_namespaced_pod_portforward, web,
                                            namespace, ports="80,81")
    error = eventually(lambda: forward.error(81), 60, "nobody listens on the second port")
    assert re.search(r"error forwarding port 81 to pod .*: Connection refused", error), error
    connection = forward.socket(80)
    connection.settimeout(60)
    connection.sendall(b"GET / HTTP/1.0\r\nHost: pod\r\n\r\n")
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    forward.close()
    assert head.startswith(b"HTTP/1.") and body and forward.error(80) is None
