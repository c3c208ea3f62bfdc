# SPDX-License-Identifier: Apache-2.0
"""Real containers, seen through the Python SDK: output, ends, restarts, addresses."""

import re

import pytest

import bodies
import clients
from clients import Rest
from emulator import RESOURCE_GROUP

SHELL = ("sh", "-c")


@pytest.fixture(name="rest")
def _rest(world):
    return Rest(world)


@pytest.fixture(name="group")
def _group(request, world):
    name = bodies.name_of(request.node.name)
    yield name
    Rest(world).delete_group(name)


@pytest.fixture(name="sdk")
def _sdk(world):
    with clients.management(world, "2025-09-01") as client:
        yield client


def real(*command, restart_policy="Never", **more):
    return bodies.group(*command, image="busybox", restartPolicy=restart_policy, **more)


def ended(rest, name, state):
    view = rest.in_state(name, state)["properties"]["containers"][0]["properties"]["instanceView"]
    return view["currentState"]


@pytest.mark.parametrize("code, state, detail", [
    (0, "Succeeded", "Completed"), (3, "Failed", "Error"), (255, "Failed", "Error")])
def test_end_of_a_container(sdk, rest, group, code, state, detail):
    sdk.container_groups.begin_create_or_update(
        RESOURCE_GROUP, group, real(*SHELL, f"echo ending; exit {code}")).result()
    last = ended(rest, group, state)
    assert (last["state"], last["exitCode"], last["detailStatus"]) == ("Terminated", code, detail)
    assert last["startTime"] <= last["finishTime"]
    assert sdk.containers.list_logs(RESOURCE_GROUP, group, "app").content == "ending\n"


def test_logs_have_both_streams_a_tail_and_times(sdk, rest, group):
    rest.create(group, real(*SHELL, "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three"))
    ended(rest, group, "Succeeded")

    def logs(**more):
        return sdk.containers.list_logs(RESOURCE_GROUP, group, "app", **more).content

    assert logs() == "one\ntwo\nthree\n"
    assert logs(tail=2) == "two\nthree\n"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z "
    lines = logs(timestamps=True).splitlines()
    assert [re.sub(f"^{stamp}", "", line) for line in lines] == ["one", "two", "three"]
    assert all(re.match(stamp, line) for line in lines) and lines == sorted(lines)


def test_containers_that_end_are_started_again(rest, group):
    rest.create(group, real(*SHELL, "exit 7", restart_policy="OnFailure"))

    def look():
        view = rest.get(group)["properties"]["containers"][0]["properties"]["instanceView"]
        return view["restartCount"] >= 1 and view
    view = clients.eventually(look, 60, "the container was started again")
    assert view["previousState"]["exitCode"] == 7
    assert {"Pulled", "Created", "Started"} <= {event["name"] for event in view["events"]}


def test_init_containers_run_first_and_share_a_volume(sdk, rest, group):
    body = real(*SHELL, "cat /data/file")
    mounts = [{"name": "shared", "mountPath": "/data"}]
    body["properties"]["volumes"] = [{"name": "shared", "emptyDir": {}}]
    body["properties"]["containers"][0]["properties"]["volumeMounts"] = mounts
    body["properties"]["initContainers"] = [{"name": "prepare", "properties": {
        "image": "busybox", "command": [*SHELL, "echo prepared >/data/file"],
        "volumeMounts": mounts}}]
    rest.create(group, body)
    ended(rest, group, "Succeeded")
    assert sdk.containers.list_logs(RESOURCE_GROUP, group, "app").content == "prepared\n"
    (first,) = rest.get(group)["properties"]["initContainers"]
    assert first["properties"]["instanceView"]["currentState"]["exitCode"] == 0


def test_a_repository_that_cannot_be_cloned_holds_the_group_up(rest, group):
    body = real(*SHELL, "exec sleep 3600")
    url = "https://127.0.0.1:1/app.git"
    body["properties"]["volumes"] = [{"name": "source", "gitRepo": {"repository": url}}]
    body["properties"]["containers"][0]["properties"]["volumeMounts"] = [
        {"name": "source", "mountPath": "/source"}]
    assert rest.put(group, body).status_code == 201

    def look():
        return [event for event in rest.get(group)["properties"]["instanceView"]["events"]
                if event["name"] == "FailedMount" and f"git clone {url}" in event["message"]]
    clients.eventually(look, 60, "the clone has failed")
    assert rest.get(group)["properties"]["provisioningState"] not in ("Succeeded", "Failed")


def test_secrets_reach_the_container_and_nobody_else(sdk, rest, group):
    """The container prints lengths: its log is an answer too."""
    body = real(*SHELL, "printf %s $PASSWORD | wc -c; wc -c </secrets/file")
    body["properties"]["volumes"] = [{"name": "secrets",
                                      "secret": {"file": bodies.VOLUME_SECRET}}]
    container = body["properties"]["containers"][0]["properties"]
    container["volumeMounts"] = [{"name": "secrets", "mountPath": "/secrets", "readOnly": True}]
    container["environmentVariables"] = [
        {"name": "PASSWORD", "secureValue": bodies.ENVIRONMENT_SECRET}]
    rest.create(group, body)
    ended(rest, group, "Succeeded")
    assert sdk.containers.list_logs(RESOURCE_GROUP, group, "app").content == (
        f"{len(bodies.ENVIRONMENT_SECRET)}\n{len('secret-of-volume')}\n")


def test_image_that_is_not_there(rest, group):
    answer = rest.put(group, bodies.group(image="registry.example/nothing:1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InaccessibleImage")
    assert answer.json()["error"]["message"] == (
        f"The image 'registry.example/nothing:1' in container group '{group}' is not accessible. "
        "Please check the image and registry credential.")


def test_restart_and_stop_give_new_containers(rest, group):
    body = real(*SHELL, "echo up; exec sleep 3600", restart_policy="Always")
    first = rest.create(group, body)
    assert rest.call("POST", rest.path(group, "restart")).status_code == 204
    second = rest.settled(group)
    starts = [seen["properties"]["containers"][0]["properties"]["instanceView"]["currentState"]
              ["startTime"] for seen in (first, second)]
    assert starts[0] < starts[1]
    assert rest.call("POST", rest.path(group, "stop")).status_code == 204
    stopped = rest.get(group)["properties"]
    assert stopped["instanceView"]["state"] == "Stopped"
    current = stopped["containers"][0]["properties"]["instanceView"]["currentState"]
    assert (current["state"], "exitCode" in current) == ("Terminated", False)
