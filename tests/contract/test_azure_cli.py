# SPDX-License-Identifier: Apache-2.0
"""azure-cli as a user installs it, against real containers: only its cloud is the emulator's."""

import concurrent.futures
import json
import os
import select
import subprocess
import termios
import time

import pytest

import bodies
import emulator
from clients import Rest
from emulator import LOCATION, RESOURCE_GROUP
from polling import eventually

GROUP = "azure-cli"


class AzureCli:
    def __init__(self, python, service, folder):
        self._python, self.folder = python, folder
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "AZURE_CONFIG_DIR": str(folder / "azure"),
            "REQUESTS_CA_BUNDLE": service.ca, "WEBSOCKET_CLIENT_CA_BUNDLE": service.ca,
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_COLLECT_TELEMETRY": "false", "AZURE_CORE_NO_COLOR": "true",
            "LC_ALL": "C.UTF-8"}

    def command(self, *arguments):
        return [self._python, "-m", "azure.cli", *arguments]

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), text=True, check=False,
                              env=self.environment, capture_output=True, timeout=400,
                              stdin=subprocess.DEVNULL)

    def typed(self, keys, *arguments):
        """What a command shows on a terminal of 31 lines and 101 columns while KEYS are typed. They
        are typed when it shows something: what comes earlier, its preparations throw away."""
        ours, its = os.openpty()
        termios.tcsetwinsize(its, (31, 101))
        process = subprocess.Popen([self._python, "-m", "azure.cli", *arguments], stdin=its,
                                   stdout=its, stderr=its, env=self.environment,
                                   start_new_session=True)
        os.close(its)
        shown, deadline = b"", time.monotonic() + 240
        try:
            while time.monotonic() < deadline:
                if not select.select([ours], [], [], 1)[0]:
                    continue
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the terminal's other side is closed: the command has ended
                    assert process.wait(120) == 0, shown
                    return shown.decode()
                if keys and b"$ " in shown:
                    os.write(ours, keys)
                    keys = b""
            raise AssertionError(f"az {' '.join(arguments)} does not end: {shown!r}")
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def __call__(self, *arguments):
        """What a command prints; it has to succeed."""
        run = self.run(*arguments)
        assert run.returncode == 0, f"az {' '.join(arguments)}: {run.stderr}"
        return run.stdout

    def container(self, verb, *arguments, name=GROUP):
        return self("container", verb, "--resource-group", RESOURCE_GROUP, "--name", name, *arguments)


@pytest.fixture(scope="module", name="az")
def _az(world, folder):
    """Signed in to the emulator; a group of one shell that prints a line and goes on."""
    install = subprocess.run([str(emulator.TESTS / "contract/azure-cli")], stdout=subprocess.PIPE,
                             text=True, check=True, timeout=900, stdin=subprocess.DEVNULL)
    home = folder / "azure-cli"
    home.mkdir(exist_ok=True)
    az = AzureCli(install.stdout.strip(), world, home)
    az("cloud", "register", "--name", "emulator", "--endpoint-resource-manager", world.url,
       "--endpoint-active-directory", world.url)
    az("cloud", "set", "--name", "emulator")
    az("login", "--service-principal", "--username", emulator.CLIENT, "--password", emulator.SECRET,
       "--tenant", emulator.TENANT)
    yield az
    Rest(world).delete_group(GROUP)


@pytest.fixture(scope="module", name="made")
def _made(az):
    return json.loads(az.container(
        "create", "--image", "busybox", "--os-type", "Linux", "--cpu", "1", "--memory", "1",
        "--restart-policy", "Always", "--command-line",
        "sh -c 'echo hello $MODE; printf %s $PASSWORD | wc -c; exec sleep 3600'",
        "--environment-variables", "MODE=fast",
        "--secure-environment-variables", f"PASSWORD={bodies.ENVIRONMENT_SECRET}"))


def started(az):
    seen = json.loads(az.container("show"))
    assert seen["instanceView"]["state"] == "Running"
    return seen["containers"][0]["instanceView"]["currentState"]["startTime"]


def test_create(made):
    assert (made["name"], made["location"], made["provisioningState"]) == (
        GROUP, LOCATION, "Succeeded")
    assert made["instanceView"]["state"] == "Running"
    assert [(v["name"], v["value"], v["secureValue"])
            for v in made["containers"][0]["environmentVariables"]] == [
                ("MODE", "fast", None), ("PASSWORD", None, None)]


def test_list(az, made):
    listed = json.loads(az("container", "list", "--resource-group", RESOURCE_GROUP))
    assert [group["name"] for group in listed] == [made["name"]]


def test_logs(az, made):
    lines = az.container("logs").split("\n")
    assert lines[:2] == ["hello fast", str(len(bodies.ENVIRONMENT_SECRET))], made["name"]


def test_stop_start_restart(az, made):
    az.container("stop")
    assert json.loads(az.container("show"))["instanceView"]["state"] == "Stopped", made["name"]
    az.container("start")
    first = started(az)
    az.container("restart")
    assert first < started(az)


def test_export_makes_a_file_that_creates_the_group_again(az, made):
    file = az.folder / "exported.yaml"
    az.container("export", "--file", str(file))
    assert "hello" in file.read_text() and bodies.ENVIRONMENT_SECRET not in file.read_text()
    az.container("delete", "--yes")
    again = json.loads(az("container", "create", "--resource-group", RESOURCE_GROUP,
                          "--file", str(file)))
    assert again["id"] == made["id"]
    (container,) = again["properties"]["containers"]
    assert container["properties"]["command"] == made["containers"][0]["command"]
    assert started(az)


def test_attach_prints_the_output_until_the_container_ends(az, world):
    az.container("create", "--image", "busybox", "--os-type", "Linux", "--cpu", "1", "--memory", "1",
                 "--restart-policy", "Never", "--command-line",
                 "sh -c 'echo line 1; until [ -e /tmp/go ]; do sleep 0.1; done; echo line 2; sleep 1'",
                 name="attached")

    def reads():
        return world.control("GET", "/stats")["operations"].get("Containers_ListLogs", 0)
    before = reads()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            attached = pool.submit(az.container, "attach", name="attached")
            # az needs seconds before it reads the log; the container outlives them.
            eventually(lambda: attached.done() or reads() > before, 120, "az reads the log")
            az.typed(b"touch /tmp/go; exit\n", "container", "exec", "--resource-group", RESOURCE_GROUP,
                     "--name", "attached", "--exec-command", "/bin/sh")
            text = attached.result()
    finally:
        az.container("delete", "--yes", name="attached")
    for line in ("line 1", "line 2"):
        assert line in text, text


def test_exec(az, made):
    """On a terminal of its own, which azure-cli asks for its size and reads the keyboard from."""
    assert made
    text = az.typed(b"echo sum $((40+2)); stty size; exit\n", "container", "exec",
                    "--resource-group", RESOURCE_GROUP, "--name", GROUP, "--exec-command", "/bin/sh")
    assert "sum 42" in text and "31 101" in text


def test_delete(az, made):
    az.container("delete", "--yes")
    missing = az.run("container", "show", "--resource-group", RESOURCE_GROUP, "--name", GROUP)
    assert missing.returncode == 3
    assert f"(ResourceNotFound) The Resource '{made['type']}/{GROUP}'" in missing.stderr


def test_what_stands_around_groups(az):
    provider = json.loads(az("provider", "show", "--namespace", "Microsoft.ContainerInstance"))
    assert provider["registrationState"] == "Registered"
    subnet = json.loads(az("network", "vnet", "subnet", "show", "--resource-group", RESOURCE_GROUP,
                           "--vnet-name", "burst", "--name", "pods"))
    assert subnet["delegations"][0]["serviceName"] == "Microsoft.ContainerInstance/containerGroups"
