# SPDX-License-Identifier: Apache-2.0
"""The judge itself: it accepts what the service publishes and refuses what it must."""

import json

import pytest

import bodies
import conformance
import description as published
from recorder import Exchange

EXAMPLES = [(version, operation, name, example)
            for version in published.VERSIONS
            for operation in published.description(version).operations
            for name, example in operation.examples()]


@pytest.mark.parametrize("version, operation, name, example", EXAMPLES,
                         ids=[f"{e[0]}-{e[2][:-5]}" for e in EXAMPLES])
def test_accepts_published_example(version, operation, name, example):
    schema = operation.request_schema()
    if schema is not None:
        sent = [value for value in example["parameters"].values() if isinstance(value, dict)]
        assert [published.problems(schema, value) for value in sent] == [[]] * len(sent), name
    for status, answer in example["responses"].items():
        schema = operation.answer_schema(int(status))
        if schema is not None and "body" in answer:
            assert published.problems(schema, answer["body"]) == [], (version, name)


def container(**properties):
    return {"properties": {"containers": [{"name": "app", "properties": properties}]}}


@pytest.mark.parametrize("body", [
    container(environmentVariables=[{"name": "A", "secureValue": "x"}]),
    container(resources={"requests": {"cpu": "1", "memoryInGB": 1}}),
    container(instanceView={"restartCount": "0"}),
    container(instanceView={"currentState": {"startTime": "yesterday"}}),
    container(unheard=1),
    {"properties": {"osType": "Plan9"}},
    {"properties": {"imageRegistryCredentials": [{"server": "s", "password": "x"}]}},
    {"properties": {"diagnostics": {"logAnalytics": {"workspaceId": "w", "workspaceKey": "x"}}}},
    {"properties": {"volumes": [{"name": "share", "azureFile": {
        "shareName": "s", "storageAccountName": "a", "storageAccountKey": "x"}}]}},
    {"properties": {}, "tags": {"a": 1}},
], ids=lambda body: json.dumps(body)[-50:])
@pytest.mark.parametrize("version", published.VERSIONS)
def test_refuses_wrong_answer(version, body):
    schema = published.description(version).named("ContainerGroups_Get").answer_schema(200)
    assert published.problems(schema, body)


@pytest.mark.parametrize("path, value", [
    (("properties", "instanceView"), {}), (("properties", "provisioningState"), "Succeeded"),
    (("properties", "osType"), "Plan9"), (("properties", "unheard"), 1)])
@pytest.mark.parametrize("version", published.VERSIONS)
def test_refuses_wrong_request(version, path, value):
    schema = published.description(version).named("ContainerGroups_CreateOrUpdate").request_schema()
    assert not published.problems(schema, bodies.everything())
    assert published.problems(schema, bodies.changed(bodies.everything(), *path, value=value))


def recorded(status, body, path="/subscriptions/s/resourceGroups/r/providers/"
             "Microsoft.ContainerInstance/containerGroups/g", **headers):
    exchange = Exchange("GET", path + "?api-version=2025-09-01", {}, b"")
    exchange.status, exchange.body, exchange.lost = status, json.dumps(body).encode(), False
    exchange.headers = {name: "x" for name in conformance.HEADERS}
    exchange.headers.update({"Content-Type": "application/json"}, **headers)
    return exchange


GROUP = {"location": "westeurope", "properties": {
    "osType": "Linux", "containers": [{"name": "app", "properties": {
        "image": "a", "resources": {"requests": {"cpu": 1, "memoryInGB": 1}}}}]}}
ERROR = {"error": {"code": "NotFound", "message": "No."}}


@pytest.mark.parametrize("exchange, word", [
    (recorded(206, GROUP), "declares no 206"),
    (recorded(200, GROUP, path="/elsewhere"), "no description covers"),
    (recorded(404, {"code": "NotFound"}), "'error' is a required property"),
    (recorded(404, ERROR, **{"x-ms-error-code": "Other"}), "x-ms-error-code"),
    (recorded(401, ERROR), "WWW-Authenticate"),
    (recorded(200, GROUP, **{"Content-Type": "text/plain"}), "Content-Type"),
    (recorded(200, dict(GROUP, tags={"a": bodies.SECRETS[0]})), "gives away"),
])
def test_finds_what_is_wrong_with_an_exchange(exchange, word):
    found = conformance.exchange_problems(exchange, bodies.SECRETS)
    assert any(word in line for line in found), found


def test_finds_nothing_wrong_with_a_good_exchange():
    assert conformance.exchange_problems(recorded(200, GROUP), bodies.SECRETS) == []
    assert conformance.exchange_problems(recorded(404, ERROR), bodies.SECRETS) == []
