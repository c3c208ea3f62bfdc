# SPDX-License-Identifier: Apache-2.0
"""Faults that the control listener orders reach official clients as the service's own would."""

import time

import azure.core.exceptions
import pytest

import bodies
import clients
from emulator import RESOURCE_GROUP
from polling import eventually

VERSION = "2025-09-01"
GET, PUT = "ContainerGroups_Get", "ContainerGroups_CreateOrUpdate"


@pytest.fixture(name="order")
def _order(simulated):
    """order(operation, count, **action); what did not strike is taken back."""
    def order(operation, count=1, **action):
        simulated.control("POST", "/faults",
                          {"operation": operation, "count": count, "action": action})
    yield order
    simulated.control("DELETE", "/faults")


@pytest.fixture(name="client")
def _client(simulated):
    with clients.management(simulated, VERSION, retry_total=2, retry_backoff_factor=0.01) as client:
        yield client


def statuses(service, before, method):
    return [0 if exchange.lost else exchange.status
            for exchange in service.recorder.exchanges()[before:] if exchange.method == method]


def test_throttled_read_is_repeated_after_the_time_that_was_asked_for(
        simulated, rest, client, order, group):
    rest.create(group, bodies.group())
    order(GET, status=429, code="SubscriptionRequestsThrottled", retryAfter=1)
    before = len(simulated.recorder.exchanges())
    assert client.container_groups.get(RESOURCE_GROUP, group).name == group
    assert statuses(simulated, before, "GET")[-2:] == [429, 200]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_repeated(simulated, rest, client, order, group, status):
    rest.create(group, bodies.group())
    order(GET, status=status)
    before = len(simulated.recorder.exchanges())
    assert client.container_groups.get(RESOURCE_GROUP, group).name == group
    assert statuses(simulated, before, "GET")[-2:] == [status, 200]


def test_error_that_stays_is_raised_with_its_code(client, order):
    order(GET, count=0, status=403, code="AuthorizationFailed", message="Not for you.")
    with pytest.raises(azure.core.exceptions.HttpResponseError) as refused:
        client.container_groups.get(RESOURCE_GROUP, "any")
    assert (refused.value.status_code, refused.value.error.code) == (403, "AuthorizationFailed")
    assert refused.value.error.message == "Not for you."


def test_slow_answer_ends_the_wait_of_a_client_and_the_work_is_done(simulated, rest, order, group):
    """A client that gives up after a second does not know that its PUT goes on."""
    order(PUT, delayMs=600000)
    with clients.management(simulated, VERSION, retry_total=0, read_timeout=1) as client:
        with pytest.raises(azure.core.exceptions.ServiceResponseError):
            client.container_groups.begin_create_or_update(RESOURCE_GROUP, group, bodies.group())
    assert rest.call("GET", rest.path(group)).status_code == 404
    # With the faults goes the delay.
    simulated.control("DELETE", "/faults")
    eventually(lambda: rest.call("GET", rest.path(group)).status_code == 200, 20, "the group is there")
    assert rest.settled(group)["name"] == group


def test_slow_answer_is_waited_for(rest, client, order, group):
    rest.create(group, bodies.group())
    order(GET, delayMs=1500)
    began = time.monotonic()
    assert client.container_groups.get(RESOURCE_GROUP, group).name == group
    assert time.monotonic() - began >= 1.5


def test_lost_answer_of_a_put_leaves_a_group(simulated, rest, order, group):
    """The request was carried out, then the connection was cut."""
    order(PUT, lost=True)
    with clients.management(simulated, VERSION, retry_total=0) as client:
        with pytest.raises(azure.core.exceptions.AzureError) as lost:
            client.container_groups.begin_create_or_update(RESOURCE_GROUP, group, bodies.group())
    assert not isinstance(lost.value, azure.core.exceptions.HttpResponseError)
    assert rest.settled(group)["name"] == group
    assert simulated.control("GET", "/stats")["groupPuts"][group] == 1


def test_fault_of_one_group_leaves_others_alone(simulated, rest, group):
    rest.create(group, bodies.group())
    simulated.control("POST", "/faults", {"operation": GET, "group": "another",
                                          "action": {"status": 500}})
    try:
        assert rest.get(group)["name"] == group
    finally:
        simulated.control("DELETE", "/faults")
