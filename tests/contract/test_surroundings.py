# SPDX-License-Identifier: Apache-2.0
"""What is not ACI's own, read by its official clients: Azure Monitor's metrics, permissions."""

import json
import subprocess

import pytest

import bodies
import emulator
from clients import Rest
from emulator import RESOURCE_GROUP, SUBSCRIPTION
from polling import eventually

SUBNET = (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.Network"
          "/virtualNetworks/burst/subnets/pods")


@pytest.fixture(scope="module", name="service")
def _service(start_emulator):
    return start_emulator("surroundings", "--metrics-delay", "0s")


@pytest.fixture(scope="module", name="look")
def _look(service):
    """look(): what the clients understand, of a group that runs."""
    rest = Rest(service)
    rest.create("measured", bodies.group())
    python = subprocess.run([str(emulator.TESTS / "contract/azure-cli")], stdout=subprocess.PIPE,
                            text=True, check=True, timeout=900,
                            stdin=subprocess.DEVNULL).stdout.strip()

    def look():
        run = subprocess.run(
            [python, str(emulator.TESTS / "contract/surroundings_clients.py"), service.url, service.ca,
             rest.token().json()["access_token"], SUBSCRIPTION, RESOURCE_GROUP,
             Rest.path("measured"), SUBNET], capture_output=True, text=True, timeout=240, check=False,
            stdin=subprocess.DEVNULL)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    yield look
    rest.delete_group("measured")


def test_monitor(look):
    """A minute's figures are there when the minute is over."""
    seen = eventually(lambda: (now := look())["metrics"]["CpuUsage"]["points"] and now, 90,
                      "Azure Monitor has figures", every=3)
    # What the simulated engine uses: one per cent of a CPU, 10 MiB.
    assert seen["metrics"]["CpuUsage"]["unit"] == "Count"
    assert 5 <= seen["metrics"]["CpuUsage"]["points"][-1] <= 15
    assert seen["metrics"]["MemoryUsage"]["unit"] == "Bytes"
    assert seen["metrics"]["MemoryUsage"]["points"][-1] == 10 * 1024 * 1024
    assert {"CpuUsage", "MemoryUsage"} <= set(seen["definitions"])


def test_permissions(service, look):
    assert look()["actions"] == look()["subnetActions"] == ["*"]
    read = "Microsoft.*/read"
    service.control("POST", "/surroundings", {"actions": [read, "*/delete"]})
    try:
        assert look()["actions"] == [read, "*/delete"]
    finally:
        service.control("POST", "/surroundings", {"actions": ["*"]})

