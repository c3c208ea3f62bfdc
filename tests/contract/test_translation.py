# SPDX-License-Identifier: Apache-2.0
"""Bodies that aci-kubelet makes of pods, against the description of both api-versions."""

import json

import pytest

import clients
import conformance
import emulator

FILES = sorted((emulator.TESTS / "data/translate").glob("*.json"))
GROUPS = {file.stem: body["group"] for file in FILES
          if "group" in (body := json.loads(file.read_text()))}


def test_there_are_bodies():
    assert len(GROUPS) > 5


@pytest.mark.parametrize("name", GROUPS)
def test_body_is_valid_for_both_versions(name):
    assert conformance.request_problems("PUT", clients.Rest.path("g"), GROUPS[name]) == []
