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
# Bodies that say what only the newer api-version can say.
NEWER = {"key-vault": ("secretReference", "secureValueReference")}


def problems(name):
    return conformance.request_problems("PUT", clients.Rest.path("g"), GROUPS[name])


def test_there_are_bodies():
    assert len(GROUPS) > 5
    assert NEWER.keys() <= GROUPS.keys()


@pytest.mark.parametrize("name", sorted(GROUPS.keys() - NEWER.keys()))
def test_body_is_valid_for_both_versions(name):
    assert problems(name) == []


@pytest.mark.parametrize("name", NEWER)
def test_body_with_newer_fields_is_valid_for_the_newer_version(name):
    found = problems(name)
    assert found
    for problem in found:
        assert "2025-09-01" not in problem
        assert any(field in problem for field in NEWER[name])
