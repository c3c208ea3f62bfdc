# SPDX-License-Identifier: Apache-2.0
"""Pods that are deleted, and answers that are lost, while nobody looks: no group is left behind, none
is started twice, and none is deleted because somebody was away."""

import pytest

from polling import eventually, holds
from simulated import HELD_MS, pod

PUT, GET, LIST, DELETE = ("ContainerGroups_CreateOrUpdate", "ContainerGroups_Get",
                          "ContainerGroups_ListByResourceGroup", "ContainerGroups_Delete")
# Groups may be left behind for two minutes; with sweeps this close, much shorter.
LEAK_SECONDS = 30


def create(world, namespace, *names):
    world.apply(namespace, *(pod(name, "serve") for name in names))


def runs(world, namespace, *names):
    return all(world.pod(namespace, name).status.phase == "Running" for name in names)


def make_running(world, namespace, *names):
    create(world, namespace, *names)
    eventually(lambda: runs(world, namespace, *names), 60, f"{names} run")
    return world.engine_groups(namespace)


def force_delete(world, namespace, *names):
    """As `kubectl delete --force`: the object is gone at once, whatever became of the group."""
    for name in names:
        world.core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def names_left(world, namespace):
    return sorted(group["pod"] for group in world.engine_groups(namespace).values())


def only(groups, name):
    return {key: group for key, group in groups.items() if group["pod"] == name}


def nothing_leaks(world, namespace, *left):
    eventually(lambda: names_left(world, namespace) == sorted(left), LEAK_SECONDS,
               "the groups that are left have pods")


# --- while the PUT is in flight -------------------------------------------------------------------

def put_in_flight(world, namespace):
    """A PUT that the service has and does not carry out before the faults are cleared."""
    before = world.puts()
    world.fault(PUT, delayMs=HELD_MS)
    create(world, namespace, "brief")
    eventually(lambda: not world.control_get("/faults")["faults"], 60, "the PUT is on its way")
    assert world.puts() == before


@pytest.mark.parametrize("force", [False, True], ids=["deleted", "deleted by force"])
def test_pod_that_is_deleted_while_its_put_is_in_flight_leaves_nothing(world, namespace, force):
    put_in_flight(world, namespace)
    deletions = world.requests(DELETE)
    world.core.delete_namespaced_pod("brief", namespace, grace_period_seconds=0 if force else None)
    world.clear_faults()
    eventually(lambda: world.puts_of(namespace), 60, "the PUT has arrived")
    eventually(lambda: world.requests(DELETE) > deletions, 60, "the group is deleted")
    eventually(lambda: not world.pods(namespace), 60, "the pod is gone")
    nothing_leaks(world, namespace)


@pytest.mark.parametrize("back", ["before", "after"])
def test_group_of_a_put_whose_sender_and_pod_are_gone_is_removed(world, namespace, back):
    """back: the kubelet is up again before the group comes to be, or after."""
    put_in_flight(world, namespace)
    world.kill_kubelet()
    force_delete(world, namespace, "brief")
    if back == "before":
        world.start_kubelet()
    world.clear_faults()
    eventually(lambda: world.engine_groups(namespace), 60, "the PUT is done all the same")
    if back == "after":
        world.start_kubelet()
    nothing_leaks(world, namespace)


@pytest.mark.parametrize("back", ["before", "after"])
def test_kubelet_that_died_with_its_put_in_flight_does_not_send_another(world, namespace, back):
    """back: the kubelet is up again before the group comes to be, or after."""
    put_in_flight(world, namespace)
    world.kill_kubelet()
    if back == "before":
        world.start_kubelet()
    world.clear_faults()
    before = eventually(lambda: world.engine_groups(namespace), 60, "the PUT is done all the same")
    if back == "after":
        world.start_kubelet()
    eventually(lambda: runs(world, namespace, "brief"), 60, "the pod runs")
    assert {g["group"] for g in world.engine_groups(namespace).values()} == {
        g["group"] for g in before.values()}
    # For as long as the first PUT may have been on its way.
    holds(lambda: set(world.puts_of(namespace).values()) == {1}, 4, "it was PUT once")


# --- lost answers ---------------------------------------------------------------------------------

def test_put_whose_answer_is_lost_is_not_sent_again(world, namespace):
    world.fault(PUT, lost=True)
    make_running(world, namespace, "lost")


def test_put_whose_answer_and_outcome_stay_unknown_is_not_sent_again(world, namespace):
    world.fault(PUT, lost=True)
    for operation in (GET, LIST):
        world.fault(operation, count=4, status=503, code="ServiceUnavailable")
    make_running(world, namespace, "lost")


def test_put_whose_answer_is_lost_of_a_pod_that_goes_leaves_nothing(world, namespace):
    world.fault(PUT, lost=True)
    world.fault(GET, count=4, status=503, code="ServiceUnavailable")
    create(world, namespace, "lost")
    eventually(lambda: world.engine_groups(namespace), 60, "the PUT is done")
    force_delete(world, namespace, "lost")
    nothing_leaks(world, namespace)


def test_put_whose_answer_is_lost_to_a_kubelet_that_dies_is_adopted(world, namespace):
    world.fault(PUT, lost=True)
    world.fault(GET, count=100, status=503, code="ServiceUnavailable")
    create(world, namespace, "lost")
    eventually(lambda: world.engine_groups(namespace), 60, "the PUT is done")
    world.kill_kubelet()
    world.clear_faults()
    world.start_kubelet()
    eventually(lambda: runs(world, namespace, "lost"), 60, "the pod runs")


@pytest.mark.parametrize("action", [{"lost": True}, {"status": 503, "code": "ServiceUnavailable"},
                                    {"status": 409, "code": "ContainerGroupTransitioning"}],
                         ids=lambda action: action.get("code", "lost"))
def test_deletion_that_fails_at_first_is_tried_again(world, namespace, action):
    make_running(world, namespace, "goes")
    world.fault(DELETE, count=2, **action)
    world.core.delete_namespaced_pod("goes", namespace)
    eventually(lambda: not world.pods(namespace), LEAK_SECONDS, "the pod is gone")
    nothing_leaks(world, namespace)


# --- somebody is away -----------------------------------------------------------------------------

def test_groups_of_pods_that_went_while_the_kubelet_was_away_are_removed(world, namespace):
    before = make_running(world, namespace, "stays", "goes", "goes-too")
    world.kill_kubelet()
    force_delete(world, namespace, "goes", "goes-too")
    world.start_kubelet()
    nothing_leaks(world, namespace, "stays")
    assert world.engine_groups(namespace) == only(before, "stays")


def test_new_pod_of_the_same_name_gets_a_group_of_its_own(world, namespace):
    """What a StatefulSet does to a node that was away: the name is the same, the UID is not."""
    old = make_running(world, namespace, "db-0")
    world.kill_kubelet()
    force_delete(world, namespace, "db-0")
    create(world, namespace, "db-0")
    world.start_kubelet()
    eventually(lambda: runs(world, namespace, "db-0"), 60, "the new pod runs")
    eventually(lambda: not old.keys() & world.engine_groups(namespace).keys(), LEAK_SECONDS,
               "the old group is gone")
    assert names_left(world, namespace) == ["db-0"]


def test_name_of_253_characters(world, namespace):
    """Group, tags and host name have less room than a pod's name."""
    name = ".".join(letter * length for letter, length in zip("abcd", (63, 63, 63, 61)))
    before = make_running(world, namespace, name)
    assert names_left(world, namespace) == [name]
    world.kill_kubelet()
    world.start_kubelet()
    eventually(lambda: runs(world, namespace, name), 60, "the pod runs")
    assert world.engine_groups(namespace) == before
    world.core.delete_namespaced_pod(name, namespace)
    eventually(lambda: not world.pods(namespace), LEAK_SECONDS, "the pod is gone")
    nothing_leaks(world, namespace)


@pytest.mark.parametrize("kubelet", ["lives", "dies"])
def test_pods_deleted_before_the_api_server_goes_away_leave_nothing(world, namespace, kubelet):
    """A kubelet that lives may have the news in its socket; one that comes back hears it when the API
    server does, and must not take silence for an answer until then."""
    before = make_running(world, namespace, "stays", "goes")
    world.freeze_kubelet()
    force_delete(world, namespace, "goes")
    world.stop_api_server()
    try:
        if kubelet == "lives":
            world.thaw_kubelet()
        else:
            world.kill_kubelet()
            world.start_kubelet(wait=False)
        untouched = before if kubelet == "dies" else only(before, "stays")
        # Some sweeps and lists long.
        holds(lambda: untouched.items() <= world.engine_groups(namespace).items(), 8,
              "without the API server no group is touched")
    finally:
        world.start_api_server()
    nothing_leaks(world, namespace, "stays")
    assert world.engine_groups(namespace) == only(before, "stays")
    eventually(lambda: runs(world, namespace, "stays"), 60, "the other pod runs on")
