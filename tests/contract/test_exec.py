# SPDX-License-Identifier: Apache-2.0
"""exec and attach: opened by the Python SDK, spoken over websockets as official clients do it."""

import time

import azure.core.exceptions
import pytest
import websocket
from azure.mgmt.containerinstance import models

import bodies
import clients
from clients import Rest
from emulator import RESOURCE_GROUP
from polling import eventually

TIMEOUT = 120
SHELL = ("sh", "-c")
NORMAL, POLICY_VIOLATED = 1000, 1008
# Of the shell of a user that is not root.
PROMPT = b"$ "


class Socket:
    """A session's websocket, and what came over it so far."""

    def __init__(self, service, session, password="message", text=None):
        headers = [f"Authorization: {session.password}"] if password == "header" else []
        self._socket = websocket.create_connection(
            session.web_socket_uri, timeout=TIMEOUT, sslopt={"ca_certs": service.ca}, header=headers,
            suppress_origin=True)
        self.frames, self.shown, self.code = [], bytearray(), None
        if password == "message":
            self._socket.send(session.password if text is None else text)

    def type(self, data, opcode=websocket.ABNF.OPCODE_BINARY):
        self._socket.send(data, opcode)

    def read(self):
        """One frame; false at the end."""
        opcode, data = self._socket.recv_data(control_frame=True)
        if opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG):
            # Answered already; whoever waits looks at the clock.
            return True
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.code = int.from_bytes(data[:2], "big")
            return False
        self.frames.append((opcode, data))
        self.shown += data
        return True

    def until(self, text):
        deadline = time.monotonic() + TIMEOUT
        while text not in self.shown:
            assert self.read(), f"closed with {self.code}: {self.shown}"
            assert time.monotonic() < deadline, f"no {text}: {self.shown[-500:]}"
        self.shown = self.shown[self.shown.index(text) + len(text):]

    def end(self):
        """Everything up to the close frame."""
        deadline = time.monotonic() + TIMEOUT
        while self.read():
            assert time.monotonic() < deadline, f"no end: {self.shown[-500:]}"
        return self.shown

    def vanish(self):
        """Neither a close frame nor the end of TLS."""
        self._socket.shutdown()


@pytest.fixture(scope="module", name="shell")
def _shell(world):
    """The name of a group with one real container."""
    rest = Rest(world)
    rest.create("exec", bodies.group(*SHELL, "exec sleep 3600", image="busybox"))
    rest.in_state("exec", "Running")
    yield "exec"
    rest.delete_group("exec")


@pytest.fixture(scope="module", name="sdk")
def _sdk(world):
    with clients.management(world, "2025-09-01") as client:
        yield client


@pytest.fixture(name="rest")
def _rest(world):
    return Rest(world)


@pytest.fixture(name="group")
def _group(request, world):
    name = bodies.name_of(request.node.name)
    yield name
    Rest(world).delete_group(name)


def execute(sdk, group, command, rows=24, cols=80, container="app"):
    return sdk.containers.execute_command(
        RESOURCE_GROUP, group, container, models.ContainerExecRequest(
            command=command,
            terminal_size=models.ContainerExecRequestTerminalSize(rows=rows, cols=cols)))


@pytest.fixture(name="open_shell")
def _open_shell(world, sdk, shell):
    """A socket with a shell at its prompt."""
    opened = []

    def open_one(**size):
        sock = Socket(world, execute(sdk, shell, "/bin/sh", **size))
        opened.append(sock)
        sock.until(PROMPT)
        return sock

    yield open_one
    for sock in opened:
        sock.vanish()


def test_session_names_its_size_and_its_password(sdk, shell):
    session = execute(sdk, shell, "/bin/sh", rows=41, cols=133)
    assert session.web_socket_uri.startswith("wss://127.0.0.1:")
    assert "/execstream/sessionId/" in session.web_socket_uri
    assert session.web_socket_uri.endswith("?api-version=1.0&rows=41&cols=133")
    assert len(session.password) > 30
    assert execute(sdk, shell, "/bin/sh").password != session.password


def test_screen_is_binary_and_begins_with_an_empty_frame(open_shell):
    sock = open_shell()
    assert sock.frames[0] == (websocket.ABNF.OPCODE_BINARY, b"")
    assert {opcode for opcode, _ in sock.frames} == {websocket.ABNF.OPCODE_BINARY}


def test_terminal_has_the_size_that_was_asked_for(open_shell):
    sock = open_shell(rows=41, cols=133)
    sock.type(b"stty size\n")
    sock.until(b"41 133\r\n")


@pytest.mark.parametrize("opcode", [websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY])
@pytest.mark.parametrize("length", [1, 512])
def test_input_in_frames_of_any_kind_and_size(open_shell, opcode, length):
    sock = open_shell()
    line = b"echo $((6 * 7)) of them; exit 3\n"
    for at in range(0, len(line), length):
        sock.type(line[at:at + length], opcode)
    assert b"\n42 of them\r\n" in sock.end()
    assert sock.code == NORMAL


def test_control_characters_interrupt_and_end(open_shell):
    sock = open_shell()
    sock.type(b"sh -c 'echo begin; sleep 1000'\n")
    sock.until(b"\nbegin\r\n")
    sock.type(b"\x03")
    sock.until(PROMPT)
    sock.type(b"echo status $?\n")
    sock.until(b"status 130\r\n")
    # Before its prompt the shell has not set up the terminal for itself: an end would go by unseen.
    sock.until(PROMPT)
    sock.type(b"\x04")
    sock.end()
    assert sock.code == NORMAL


def test_much_output_arrives_whole(open_shell):
    sock = open_shell()
    sock.type(b"stty -echo -opost; echo; echo ready\n")
    sock.until(b"ready\n")
    sock.until(PROMPT)
    sock.type(b"dd if=/dev/zero bs=1000000 count=20 2>/dev/null | tr '\\0' z; exit\n")
    assert sock.end().count(b"z") == 20000000


def test_command_is_one_program_without_arguments(world, sdk, shell):
    sock = Socket(world, execute(sdk, shell, "ls /"))
    assert b'"ls /"' in sock.end()
    assert sock.code == NORMAL


def test_password_may_stand_in_the_handshake(world, sdk, shell):
    sock = Socket(world, execute(sdk, shell, "hostname"), password="header")
    assert sock.end().endswith(b"\r\n")
    assert sock.code == NORMAL


def test_wrong_password_uses_the_session_up(world, sdk, shell):
    session = execute(sdk, shell, "/bin/sh")
    sock = Socket(world, session, text="guess")
    assert sock.end() == b""
    assert sock.code == POLICY_VIOLATED
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Socket(world, session)
    assert refused.value.status_code == 404


def test_vanished_client_takes_its_program_along(world, sdk, shell, open_shell):
    sock = open_shell()
    sock.type(b"exec tail -f /dev/null\n")
    sock.until(b"/dev/null\r\n")

    def runs():
        return b"tail -f" in Socket(world, execute(sdk, shell, "ps")).end()
    eventually(runs, 10, "the program runs")
    sock.vanish()
    eventually(lambda: not runs(), 10, "the program is gone")


def test_refusals(sdk, rest, group, shell):
    with pytest.raises(azure.core.exceptions.ResourceNotFoundError) as refused:
        execute(sdk, shell, "/bin/sh", container="other")
    assert refused.value.error.code == "ContainerNotFound"
    assert refused.value.error.message == (
        f"The container 'other' does not exist in container group '{shell}'.")
    with pytest.raises(azure.core.exceptions.ResourceNotFoundError) as refused:
        execute(sdk, group, "/bin/sh")
    assert refused.value.error.code == "ResourceNotFound"
    rest.create(group, bodies.group("true", image="busybox"))
    rest.in_state(group, "Succeeded")
    with pytest.raises(azure.core.exceptions.ResourceExistsError) as refused:
        execute(sdk, group, "/bin/sh")
    assert refused.value.error.code == "ContainerGroupDeploymentNotReady"


def test_input_limit_as_it_was_reported(start_emulator):
    service = start_emulator("exec-input-limit", "--exec-input-limit", "50")
    Rest(service).create("limited", bodies.group())
    Rest(service).in_state("limited", "Running")
    with clients.management(service, "2025-09-01") as sdk:
        sock = Socket(service, execute(sdk, "limited", "/bin/sh"))
    sock.type(b"a" * 49 + b"bcd")
    sock.type(b"next\x04")
    assert sock.end() == b"a" * 49 + b"bnext"


@pytest.mark.parametrize("replay, shown", [("none", b"after\n"), ("all", b"before\nafter\n")])
@pytest.mark.parametrize("password", ["header", "message"])
def test_attach_reads_along_until_the_container_ends(
        world, sdk, rest, group, replay, shown, password):
    rest.create(group, bodies.group(
        *SHELL, "echo before; until [ -e /tmp/go ]; do sleep 0.05; done; echo after", image="busybox"))
    eventually(lambda: sdk.containers.list_logs(RESOURCE_GROUP, group, "app").content == "before\n",
               TIMEOUT, "the container has written")
    world.control("POST", "/attach", {"replay": replay})
    session = sdk.containers.attach(RESOURCE_GROUP, group, "app")
    assert "/logstream/sessionId/" in session.web_socket_uri
    sock = Socket(world, session, password)
    eventually(lambda: world.control("GET", "/stats")["streams"], TIMEOUT, "the socket is open")
    sock.type(b"not for the container\n")
    shell = Socket(world, execute(sdk, group, "/bin/sh"))
    shell.until(PROMPT)
    shell.type(b"touch /tmp/go\n")
    assert sock.end() == shown
    assert sock.code == NORMAL
