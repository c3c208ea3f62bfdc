# SPDX-License-Identifier: Apache-2.0
"""What is secret goes in and never comes out. Every exchange of every test is searched for the same
values (conformance.py); here each way that a group can be seen is walked."""

import pytest

import bodies
import conformance


@pytest.mark.parametrize("version", conformance.published.VERSIONS)
def test_no_view_of_a_group_gives_a_secret_away(simulated, rest, group, version):
    rest.version = version
    before = len(simulated.recorder.exchanges())
    rest.create(group, bodies.everything())
    rest.create(group, bodies.everything())
    for method, path, body in (
            ("GET", rest.path(group), None), ("GET", rest.path(), None),
            ("PATCH", rest.path(group), {"tags": {"a": "b"}}), ("POST", rest.path(group, "stop"), None),
            ("POST", rest.path(group, "start"), None)):
        assert rest.call(method, path, body).status_code < 300
    rest.settled(group)
    assert rest.call("DELETE", rest.path(group)).status_code == 200
    answers = [exchange.body.decode() for exchange in simulated.recorder.exchanges()[before:]]
    assert len(answers) >= 9
    for secret in bodies.SECRETS:
        assert not any(secret in answer for answer in answers), secret


@pytest.mark.parametrize("place", [
    ("properties", "containers", 0, "properties", "environmentVariables", 1, "name"),
    ("properties", "imageRegistryCredentials", 0, "server"),
    ("properties", "volumes", 1, "name"),
    ("properties", "containers", 0, "properties", "image")])
def test_no_refusal_gives_a_secret_away(rest, group, place):
    """The body around the fault holds secrets; the verdict reads the answer."""
    answer = rest.put(group, bodies.changed(bodies.everything(), *place))
    assert answer.status_code == 400, answer.text


def test_empty_secret_value_is_kept_apart_from_none(rest, group):
    made = rest.create(group, bodies.everything())
    variables = made["properties"]["containers"][0]["properties"]["environmentVariables"]
    assert variables == [{"name": "MODE", "value": "fast"}, {"name": "PASSWORD"}]


def test_marked_members_are_not_returned(rest, group):
    """The description marks the workspace's resource id as a secret."""
    analytics = ("properties", "diagnostics", "logAnalytics", "workspaceResourceId")
    made = rest.create(group, bodies.changed(
        bodies.everything(), *analytics, value="/subscriptions/s/workspaces/w"))
    assert "workspaceResourceId" not in made["properties"]["diagnostics"]["logAnalytics"]
