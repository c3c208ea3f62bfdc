# SPDX-License-Identifier: Apache-2.0
"""What happens to groups behind the kubelet's back, and answers that are not so: it is told truly, once,
and nothing runs again that must not."""

import pytest

from polling import eventually, holds
from simulated import pod

PUT, GET, LIST, DELETE = ("ContainerGroups_CreateOrUpdate", "ContainerGroups_Get",
                          "ContainerGroups_ListByResourceGroup", "ContainerGroups_Delete")
LOST = "ContainerGroupLost"
MADE_AGAIN = "aci-kubelet.io/made-again"


def phase(world, namespace, name):
    return world.pod(namespace, name).status.phase


def in_phase(world, namespace, name, wanted, timeout=60):
    def reached():
        found = world.pod(namespace, name)
        return found if found.status.phase == wanted else None
    return eventually(reached, timeout, f"pod {name} is {wanted}")


def container(found):
    return found.status.container_statuses[0]


def make(world, namespace, name, *command, wanted="Running", **fields):
    """A pod and the name of its group, once it is in the phase."""
    world.apply(namespace, pod(name, *command, **fields))
    in_phase(world, namespace, name, wanted)
    group, = (key for key, one in world.engine_groups(namespace).items() if one["pod"] == name)
    return group


def told(world, namespace, name, reason):
    return [event for event in world.events(namespace, name) if event.reason == reason]


def incarnation(world, namespace, group):
    """Which of the groups of that name it is, once its containers run."""
    found = world.engine_groups(namespace).get(group)
    return found["group"] if found and all(found["starts"]) else None


# --- deleted by somebody else ---------------------------------------------------------------------

def runs_anew(world, namespace, group, before):
    return incarnation(world, namespace, group) not in (None, before)


def delete_outside(world, kubelet, *groups):
    if kubelet == "is away":
        world.kill_kubelet()
    for group in groups:
        world.incident("delete", group)
    if kubelet == "is away":
        world.start_kubelet()


def lost_for_good(world, namespace, name):
    failed = in_phase(world, namespace, name, "Failed")
    assert failed.status.reason == LOST and "vanished" in failed.status.message
    assert container(failed).state.terminated.reason == "ContainerStatusUnknown"
    eventually(lambda: told(world, namespace, name, LOST), 60, "an Event tells")


def not_for_ever(world, namespace, kubelet, group):
    eventually(lambda: MADE_AGAIN in (world.pod(namespace, "always").metadata.annotations or {}), 60,
               "the next process can know")
    delete_outside(world, kubelet, group)
    lost_for_good(world, namespace, "always")
    assert "again" in world.pod(namespace, "always").status.message
    holds(lambda: group not in world.engine_groups(namespace), 2, "no third group")


@pytest.mark.parametrize("kubelet", ["lives", "is away"])
def test_group_that_somebody_deletes(world, namespace, kubelet):
    """Made again once, with an Event, where the pod may restart, but not for ever, which the next
    process knows too; else the pod has failed."""
    groups = {policy: make(world, namespace, policy.lower(), "serve", restartPolicy=policy)
              for policy in ("Never", "OnFailure", "Always")}
    before = {policy: incarnation(world, namespace, group) for policy, group in groups.items()}
    delete_outside(world, kubelet, *groups.values())
    lost_for_good(world, namespace, "never")
    for policy in ("OnFailure", "Always"):
        eventually(lambda policy=policy: runs_anew(
            world, namespace, groups[policy], before[policy]), 90, f"a new group of {policy} runs")
        in_phase(world, namespace, policy.lower(), "Running")
        eventually(lambda policy=policy: told(world, namespace, policy.lower(), LOST), 60,
                   "an Event tells")
    not_for_ever(world, namespace, kubelet, groups["Always"])
    world.restart_kubelet()
    holds(lambda: groups["Never"] not in world.engine_groups(namespace) and
          phase(world, namespace, "never") == "Failed", 4, "it stays so, for the next kubelet too")
    for name in ("never", "onfailure"):
        assert [event.count for event in told(world, namespace, name, LOST)] == [1]
    assert world.puts_of(namespace) == {
        groups["Never"]: 1, groups["OnFailure"]: 2, groups["Always"]: 2}


def test_pod_that_has_ended_does_not_miss_its_group(world, namespace):
    group = make(world, namespace, "done", "exit", "0", wanted="Succeeded", restartPolicy="Never")
    world.incident("delete", group)
    world.restart_kubelet()
    holds(lambda: phase(world, namespace, "done") == "Succeeded" and
          not world.engine_groups(namespace), 4, "it stays ended")
    assert not told(world, namespace, "done", LOST)
    assert world.puts_of(namespace) == {group: 1}


# --- restarted by the platform --------------------------------------------------------------------

PLATFORM = [(7147, "TerminatedByPlatform"), (7148, "KilledByPlatform")]


def platform_events(world, namespace, name):
    """Both the event that ACI has, and what its exit code says."""
    return sorted((event.reason, event.message, event.count, event.involved_object.field_path)
                  for event in world.events(namespace, name)
                  if event.reason in ("Killing", "ContainerTerminatedByPlatform"))


@pytest.mark.parametrize("code, reason", PLATFORM)
def test_platform_restart(world, namespace, code, reason):
    """A pod that may restart runs on and shows it; one that never restarts has ended with it."""
    moved = make(world, namespace, "moved", "serve")
    once = make(world, namespace, "once", "serve", restartPolicy="Never")
    for group in (moved, once):
        world.incident("restart", group, exitCode=code)

    def again():
        found = world.pod(namespace, "moved")
        return found if container(found).restart_count == 1 and container(found).ready else None
    ended = container(eventually(again, 90, "it runs again")).last_state.terminated
    assert (ended.exit_code, ended.reason) == (code, reason)
    assert str(code) in ended.message
    failed = container(in_phase(world, namespace, "once", "Failed")).state.terminated
    assert (failed.exit_code, failed.reason) == (code, reason)
    eventually(lambda: told(world, namespace, "once", "ContainerRestartedByPlatform"), 60,
               "an Event tells")
    eventually(lambda: once not in world.engine_groups(namespace), 90, "that group does not run on")

    def both():
        seen = platform_events(world, namespace, "moved")
        return seen if len(seen) == 2 else None
    events = eventually(both, 60, "two Events tell")
    assert str(code) in events[0][1] and "platform initiated" in events[1][1]
    assert all(event[2] == 1 and event[3] == "spec.containers{main}" for event in events)
    world.restart_kubelet()
    holds(lambda: platform_events(world, namespace, "moved") == events, 4, "they are told once")
    assert container(world.pod(namespace, "once")).state.terminated.exit_code == code
    assert world.puts_of(namespace) == {moved: 1, once: 1}


def test_container_that_aci_runs_again_has_ended_all_the_same(world, namespace):
    group = make(world, namespace, "once", "exit", "5", wanted="Failed", restartPolicy="Never")
    world.incident("rerun", group)
    eventually(lambda: told(world, namespace, "once", "ContainerRestartedByPlatform"), 90,
               "an Event tells")
    found = world.pod(namespace, "once")
    assert found.status.phase == "Failed" and container(found).state.terminated.exit_code == 5


# --- ghosts ---------------------------------------------------------------------------------------

def test_group_that_stays_after_its_deletion_is_deleted_again(world, namespace):
    """The pod goes with the answer; what is left over is found by the sweeps."""
    group = make(world, namespace, "goes", "serve")
    world.fault(DELETE, 1, group, ghost=True)
    world.core.delete_namespaced_pod("goes", namespace)
    eventually(lambda: not world.pods(namespace), 90, "the pod is gone")
    eventually(lambda: not world.engine_groups(namespace), 60, "the group is gone")
    assert not world.control_get("/faults")["faults"]


def test_group_that_stays_in_lists_is_not_taken_for_a_pod(world, namespace):
    """LIST shows it, GET does not: it is removed, and nothing is made of it."""
    group = make(world, namespace, "goes", "serve")
    world.fault(DELETE, 1, group, ghost=True)
    world.fault(GET, 0, group, hide=True)
    world.core.delete_namespaced_pod("goes", namespace)
    eventually(lambda: not world.pods(namespace), 90, "the pod is gone")
    eventually(lambda: not world.engine_groups(namespace), 60, "the group is gone")


def test_group_that_lists_do_not_show_runs_on(world, namespace):
    group = make(world, namespace, "unlisted", "serve", restartPolicy="Never")
    before = world.engine_groups(namespace)
    world.fault(LIST, 0, group, hide=True)
    lists = world.requests(LIST)
    # Whatever is created makes lists come often.
    make(world, namespace, "other", "serve")
    eventually(lambda: world.requests(LIST) >= lists + 3, 90, "it is missing in some lists")
    holds(lambda: phase(world, namespace, "unlisted") == "Running", 2, "it runs on")
    assert not told(world, namespace, "unlisted", LOST)
    assert world.engine_groups(namespace)[group] == before[group]


def test_groups_that_lists_leave_out_at_the_start_run_on(world, namespace):
    groups = [make(world, namespace, name, "serve", restartPolicy=policy)
              for name, policy in (("never", "Never"), ("always", "Always"))]
    before = world.engine_groups(namespace)
    for group in groups:
        world.fault(LIST, 0, group, hide=True)
    world.restart_kubelet()
    for group in groups:
        reads = world.requests(GET)
        eventually(lambda reads=reads: world.requests(GET) > reads, 90, f"{group} is looked for")
    holds(lambda: all(phase(world, namespace, name) == "Running" for name in ("never", "always")), 3,
          "both run on")
    assert not told(world, namespace, "never", LOST) and not told(world, namespace, "always", LOST)
    assert world.engine_groups(namespace) == before
    assert world.puts_of(namespace) == {group: 1 for group in groups}


def test_group_that_is_not_found_once_runs_on(world, namespace):
    group = make(world, namespace, "blinks", "serve", restartPolicy="Never")
    world.fault(GET, 1, group, hide=True)
    eventually(lambda: not world.control_get("/faults")["faults"], 90, "it was not found once")
    holds(lambda: phase(world, namespace, "blinks") == "Running", 3, "it runs on")
    assert not told(world, namespace, "blinks", LOST)


# --- tokens, time, room ---------------------------------------------------------------------------

def test_tokens_that_expire_early_are_renewed(world, namespace):
    kept = make(world, namespace, "kept", "serve")
    before = world.engine_groups(namespace)
    for name in ("first", "second"):
        world.expire_tokens()
        make(world, namespace, name, "serve")
    assert world.engine_groups(namespace)[kept] == before[kept]


def test_slow_answers_only_take_time(world, namespace):
    for operation in (PUT, GET, LIST):
        world.fault(operation, 2, delayMs=2000)
    make(world, namespace, "slow", "serve")
    world.fault(DELETE, 1, delayMs=2000)
    world.core.delete_namespaced_pod("slow", namespace)
    eventually(lambda: not world.pods(namespace), 60, "the pod is gone")


def test_finished_group_makes_room_where_a_quota_is_reached(world, namespace):
    old = make(world, namespace, "old", "exit", "0", wanted="Succeeded", restartPolicy="Never")
    world.fault(PUT, 1, status=409, code="ContainerGroupQuotaReached", message="Limit: '1'")
    new = make(world, namespace, "new", "serve")
    eventually(lambda: old not in world.engine_groups(namespace), 90, "the old group went")
    assert phase(world, namespace, "old") == "Succeeded"
    world.restart_kubelet()
    holds(lambda: list(world.engine_groups(namespace)) == [new] and
          phase(world, namespace, "old") == "Succeeded", 4, "it is never made again")
    assert world.puts_of(namespace)[old] == 1
