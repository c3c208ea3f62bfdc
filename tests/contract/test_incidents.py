# SPDX-License-Identifier: Apache-2.0
"""What happens to a group without a request of its owner, and what is said of groups although it is
not so, as official clients see it. Each is ordered at the control listener; the emulator's help tells
how."""

import subprocess

import azure.core.exceptions
import pytest

import bodies
import clients
from emulator import RESOURCE_GROUP
from polling import eventually

VERSION = "2025-09-01"
GET, LIST, DELETE = ("ContainerGroups_Get", "ContainerGroups_ListByResourceGroup",
                     "ContainerGroups_Delete")


@pytest.fixture(name="client")
def _client(simulated):
    with clients.management(simulated, VERSION, retry_total=0) as client:
        yield client


@pytest.fixture(name="order")
def _order(simulated):
    """order(operation, group, count, **action); what did not strike is taken back."""
    def order(operation, group, count=1, **action):
        simulated.control("POST", "/faults", {"operation": operation, "group": group,
                                              "count": count, "action": action})
    yield order
    simulated.control("DELETE", "/faults")


def incident(service, group, what, **more):
    assert service.control("POST", "/incidents", {"incident": what, "group": group, **more}) == {
        "groups": [group]}


def view(client, group):
    return client.container_groups.get(RESOURCE_GROUP, group).containers[0].instance_view


def restarted(client, group):
    """The view of the container once it ran again, and has done what it does."""
    def look():
        seen = view(client, group)
        return seen if seen.restart_count == 1 and seen.current_state.state != "Waiting" else None
    return eventually(look, 20, "the container ran again")


def listed(client):
    return [one.name for one in
            client.container_groups.list_by_resource_group(RESOURCE_GROUP)]


# --- without a request of the owner ---------------------------------------------------------------

def test_group_that_somebody_else_deleted_is_not_found(simulated, rest, client, group):
    rest.create(group, bodies.group())
    deletions = simulated.control("GET", "/stats")["operations"].get(DELETE, 0)
    incident(simulated, group, "delete")
    eventually(lambda: group not in listed(client), 20, "it is not listed")
    with pytest.raises(azure.core.exceptions.ResourceNotFoundError) as gone:
        client.container_groups.get(RESOURCE_GROUP, group)
    assert gone.value.error.code == "ResourceNotFound"
    assert simulated.control("GET", "/stats")["operations"].get(DELETE, 0) == deletions


@pytest.mark.parametrize("policy", ["Always", "Never"])
@pytest.mark.parametrize("code", [7147, 7148])
def test_platform_restart(simulated, rest, client, group, code, policy):
    rest.create(group, bodies.group("serve", restartPolicy=policy))
    before = view(client, group).current_state.start_time
    incident(simulated, group, "restart", exitCode=code)
    seen = restarted(client, group)
    assert seen.current_state.state == "Running" and seen.current_state.start_time >= before
    assert (seen.previous_state.state, seen.previous_state.exit_code) == ("Terminated", code)
    assert seen.previous_state.detail_status == "Error"
    killings = [event for event in seen.events if event.name == "Killing"]
    assert [event.message for event in killings] == [
        "Killing container app (platform initiated)."]
    assert [event.count for event in seen.events if event.name == "Started"] == [2]


def test_failed_container_that_runs_again_in_spite_of_never(simulated, rest, client, group):
    rest.put(group, bodies.group("exit", "3"))
    rest.in_state(group, "Failed")
    incident(simulated, group, "rerun")
    seen = restarted(client, group)
    assert seen.previous_state.exit_code == 3
    assert seen.previous_state.start_time < seen.current_state.start_time


# --- although it is not so ------------------------------------------------------------------------

def test_ghost_stays_after_its_deletion_until_it_is_deleted_again(
        simulated, rest, client, order, group):
    rest.create(group, bodies.group())
    order(DELETE, group, ghost=True)
    client.container_groups.begin_delete(RESOURCE_GROUP, group).result()
    assert group in listed(client)
    assert view(client, group).current_state.state == "Running"
    assert simulated.control("GET", "/faults")["faults"] == []
    client.container_groups.begin_delete(RESOURCE_GROUP, group).result()
    assert group not in listed(client)


def test_group_that_lists_leave_out_is_there(rest, client, order, group):
    rest.create(group, bodies.group())
    order(LIST, group, count=0, hide=True)
    assert group not in listed(client)
    assert client.container_groups.get(RESOURCE_GROUP, group).name == group


def test_group_that_is_listed_may_not_be_found(rest, client, order, group):
    rest.create(group, bodies.group())
    order(GET, group, hide=True)
    assert group in listed(client)
    with pytest.raises(azure.core.exceptions.ResourceNotFoundError) as hidden:
        client.container_groups.get(RESOURCE_GROUP, group)
    assert hidden.value.error.code == "ResourceNotFound"
    assert client.container_groups.get(RESOURCE_GROUP, group).name == group


# --- tokens ---------------------------------------------------------------------------------------

def test_token_that_expired_early_is_refused(start_emulator):
    """One of its own: nobody else's tokens expire."""
    service = start_emulator("expired-tokens")
    rest = clients.Rest(service)
    assert rest.call("GET", rest.path()).status_code == 200
    service.control("DELETE", "/tokens")
    refused = rest.call("GET", rest.path())
    assert (refused.status_code, refused.json()["error"]["code"]) == (
        401, "ExpiredAuthenticationToken")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    again = clients.Rest(service)
    assert again.call("GET", again.path()).status_code == 200


# --- the description ------------------------------------------------------------------------------

def test_help_tells_how_to_order_each(programs):
    text = subprocess.run([str(programs / "aci-emulator"), "--help"], check=True,
                          capture_output=True, text=True).stdout
    wanted = ["--control-listen", "--token-lifetime", "--put-latency", "--start-latency",
              "--delete-latency", "--arm-buckets", "--create-limits", "--delete-limits",
              "--quota-groups", "--quota-cores", "--exec-input-limit", "POST /faults",
              "GET, DELETE /faults", "POST /incidents", "DELETE /tokens", "POST /attach",
              "POST /out-of-memory", "POST /quotas", "GET /stats", "GET /groups"]
    wanted += [f'"{member}":' for member in (
        "operation", "group", "count", "action", "delayMs", "status", "code", "message",
        "retryAfter", "lost", "hide", "ghost", "incident", "exitCode", "replay", "detailStatus")]
    wanted += [f'"incident":"{kind}"' for kind in ("delete", "restart", "rerun")]
    assert [what for what in wanted if what not in text] == []
