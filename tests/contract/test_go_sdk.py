# SPDX-License-Identifier: Apache-2.0
"""armcontainerinstance for Go: tests/contract/go prints a line for each of its checks."""

import os
import subprocess

import pytest

import emulator

CHECKS = ("create", "what virtual-kubelet demands", "list", "update tags", "logs", "stop", "start",
          "restart", "usages", "capabilities", "refusal", "delete", "delete again")


@pytest.fixture(scope="module", name="program")
def _program():
    run = subprocess.run([str(emulator.TESTS / "contract/go/build")], stdout=subprocess.PIPE,
                         text=True, check=True, timeout=600, stdin=subprocess.DEVNULL)
    return run.stdout.strip()


@pytest.fixture(scope="module", name="lines")
def _lines(program, simulated):
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "ENDPOINT": simulated.url,
        "CA_FILE": simulated.ca, "SUBSCRIPTION": emulator.SUBSCRIPTION, "TENANT": emulator.TENANT,
        "CLIENT": emulator.CLIENT, "SECRET": emulator.SECRET,
        "RESOURCE_GROUP": emulator.RESOURCE_GROUP, "LOCATION": emulator.LOCATION}
    run = subprocess.run([program], env=environment, capture_output=True, text=True, check=False,
                         timeout=400, stdin=subprocess.DEVNULL)
    return (run.stdout + run.stderr).splitlines()


@pytest.mark.parametrize("check", CHECKS)
def test_go_sdk(lines, check):
    assert f"ok {check}" in lines, "\n".join(lines)


def test_no_check_is_left_out(lines):
    assert len(lines) == len(CHECKS), "\n".join(lines)
