# SPDX-License-Identifier: Apache-2.0
"""aci-emulator as the tests run it: one process, a recorder before it, its control listener."""

import contextlib
import itertools
import json
import os
import pathlib
import socket
import subprocess
import urllib.error
import urllib.request

import namespaces
from polling import eventually
from recorder import Recorder

TESTS = pathlib.Path(__file__).resolve().parents[1]
SUBSCRIPTION = "00000000-0000-0000-0000-0000000000a1"
TENANT = "00000000-0000-0000-0000-0000000000b2"
CLIENT = "00000000-0000-0000-0000-0000000000c3"
SECRET = "local-secret"
RESOURCE_GROUP = "burst"
LOCATION = "westeurope"


def make_certificates(folder):
    """folder/ca.crt, and a pair server.{crt,key} that it signed for this machine, unless there."""
    if (folder / "server.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["bash", "-c", f". {TESTS}/lib/certificates.sh; PKI=$1; ca ca contract-ca; "
                    "cert server ca /CN=localhost IP:127.0.0.1,IP:10.240.0.3,DNS:localhost",
                    "bash", str(folder)], check=True, stdin=subprocess.DEVNULL)


# Below those that the kernel gives to clients: none takes one before its emulator does.
_ports = itertools.count(12000 + os.getpid() % 100 * 100)


def free_port():
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Service:
    """What clients and tests have to know of a running emulator. The folder PKI holds the authority
    of its certificate; the clients see one of the recorder's own authority."""

    def __init__(self, pki, upstream, control, log, network=None, imds=None):
        make_certificates(pki / "recorder")
        self.ca = str(pki / "recorder/ca.crt")
        self.log, self.imds = log, imds
        self._control, self._network = control, network
        self._judged = 0
        self.recorder = Recorder(pki / "recorder/server.crt", pki / "recorder/server.key",
                                 str(pki / "ca.crt"), upstream, network)
        self.url = f"https://127.0.0.1:{self.recorder.port}"

    def control(self, method, path, body=None):
        """The control listener is the tests' own: it is not recorded."""
        def call():
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            request = urllib.request.Request(
                self._control + path, method=method,
                data=json.dumps(body).encode() if body is not None else None)
            with opener.open(request, timeout=60) as answer:
                return json.loads(answer.read())
        return namespaces.inside(self._network, call)

    def unjudged(self):
        """The exchanges since the last call."""
        exchanges = self.recorder.exchanges()
        first, self._judged = self._judged, len(exchanges)
        return exchanges[first:]

    def close(self):
        self.recorder.close()


class Process:
    """An emulator with simulated containers on free ports of 127.0.0.1."""

    def __init__(self, program, folder, pki, *flags):
        folder.mkdir(parents=True, exist_ok=True)
        arm, control, imds = free_port(), free_port(), free_port()
        self.log = folder / "aci-emulator.log"
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [str(program), "--engine", "simulated", "--listen", f"127.0.0.1:{arm}",
                 "--control-listen", f"127.0.0.1:{control}", "--imds-listen", f"127.0.0.1:{imds}",
                 "--tls-cert-file", str(pki / "server.crt"),
                 "--tls-private-key-file", str(pki / "server.key"),
                 "--subscription", SUBSCRIPTION, "--resource-group", RESOURCE_GROUP,
                 "--location", LOCATION, "--tenant", TENANT, "--client-id", CLIENT,
                 "--client-secret", SECRET, "--state-dir", str(folder / "state"), "--v", "2", *flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.service = Service(pki, ("127.0.0.1", arm), f"http://127.0.0.1:{control}", self.log,
                               imds=f"http://127.0.0.1:{imds}")
        try:
            eventually(self._answers, 20, f"aci-emulator answers; its log: {self.log}")
        except BaseException:
            self.stop()
            raise

    def _answers(self):
        if self._process.poll() is not None:
            raise AssertionError(f"aci-emulator ended: {self.log.read_text()}")
        try:
            return self.service.control("GET", "/stats")
        except urllib.error.URLError:
            return None

    def stop(self):
        self.service.close()
        self._process.terminate()
        try:
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"aci-emulator did not end; its log: {self.log}") from None
        return self._process.returncode


class World:
    """An emulator with real containers, in a network namespace with a registry."""

    def __init__(self, programs, folder):
        self._folder = folder
        self._environment = dict(os.environ, PROGRAMS=str(programs))
        try:
            for script in (["network", "up", folder], ["registry", "up", folder], ["images", folder],
                           ["emulator", "up", folder, "--stop-grace", "1s", "--v", "2"]):
                self._script(*script)
            network = f"/run/netns/{(folder / 'netns').read_text().strip()}"
            self.service = Service(folder / "aci", ("10.240.0.3", 8443), "http://127.0.0.1:9443",
                                   folder / "log/aci-emulator.log", network)
        except BaseException:
            self._script("down", folder)
            raise

    def _script(self, name, *arguments):
        subprocess.run([str(TESTS / "world" / name), *map(str, arguments)], env=self._environment,
                       check=True, timeout=300, stdin=subprocess.DEVNULL)

    def stop(self):
        self.service.close()
        self._script("down", self._folder)
