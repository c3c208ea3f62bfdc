# SPDX-License-Identifier: Apache-2.0
"""What a pod's status says: phases, reasons, exit codes, restarts, images that are missing, and what
remains when all is over. Everything is told by real containers."""

import urllib.request

import pytest

import manifests
from polling import eventually, holds

REGISTRY = "http://127.0.0.1:5000"


def phase(world, namespace, name, wanted, timeout=60):
    def reached():
        pod = world.pod(namespace, name)
        return pod if pod.status.phase == wanted else None
    return eventually(reached, timeout, f"pod {name} is {wanted}")


def container(pod, index=0):
    return pod.status.container_statuses[index]


def condition(pod, kind):
    return next((c for c in pod.status.conditions if c.type == kind), None)


def tag_image(repository, old, new):
    """Gives an image one more tag, as a push of it would."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = f"{REGISTRY}/v2/{repository}/manifests/"
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    with opener.open(urllib.request.Request(address + old, headers=accept), timeout=60) as answer:
        kind, manifest = answer.headers["Content-Type"], answer.read()
    put = urllib.request.Request(address + new, data=manifest, method="PUT",
                                 headers={"Content-Type": kind})
    with opener.open(put, timeout=60) as answer:
        assert answer.status == 201


@pytest.fixture(name="short_lived")
def _short_lived(world, tmp_path):
    """Groups of finished pods go after two seconds. Gives the folder that their logs are kept in."""
    world.kill_kubelet()
    world.start_kubelet("--finished-group-ttl", "2s", "--finished-log-dir", tmp_path)
    yield tmp_path
    world.kill_kubelet()
    world.start_kubelet()


def test_running_pod_has_all_that_kubernetes_shows_of_one(world, namespace):
    world.apply(namespace, manifests.pod("whole", manifests.web()))
    pod = phase(world, namespace, "whole", "Running")
    status = pod.status
    assert status.host_ip == world.node_address and status.host_i_ps[0].ip == world.node_address
    assert [ip.ip for ip in status.pod_i_ps] == [status.pod_ip]
    assert status.qos_class == "Burstable"
    assert status.start_time <= container(pod).state.running.started_at
    assert status.observed_generation == pod.metadata.generation
    for kind in ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady",
                 "Ready"):
        assert condition(pod, kind).status == "True", kind
    assert "@sha256:" in container(pod).image_id
    assert container(pod).container_id.startswith("aci://")
    assert container(pod).started is True and container(pod).restart_count == 0
    started = eventually(lambda: [event for event in world.events(namespace, "whole")
                                  if event.reason == "Started"], 60, "ACI's event is told")
    assert [event.involved_object.field_path for event in started] == ["spec.containers{web}"]


def test_conditions_of_others_survive(world, namespace):
    world.apply(namespace, manifests.pod("gated", manifests.web(),
                                         readinessGates=[{"conditionType": "example.com/gate"}]))
    phase(world, namespace, "gated", "Running")
    eventually(lambda: condition(world.pod(namespace, "gated"), "ContainersReady").status == "True",
               60, "the containers are ready")
    assert condition(world.pod(namespace, "gated"), "Ready").reason == "ReadinessGatesNotReady"
    world.core.patch_namespaced_pod_status("gated", namespace, {"status": {"conditions": [
        {"type": "example.com/gate", "status": "True", "message": "open"}]}})
    pod = eventually(lambda: condition(found := world.pod(namespace, "gated"), "Ready").status ==
                     "True" and found, 60, "the gate makes it ready")
    assert condition(pod, "example.com/gate").message == "open"


def test_container_that_keeps_failing_is_in_crash_loop_back_off(world, namespace):
    world.apply(namespace, manifests.pod("loop", manifests.shell("echo try; exit 7")))

    def loops():
        pod = world.pod(namespace, "loop")
        waiting = container(pod).state.waiting
        return pod if waiting and waiting.reason == "CrashLoopBackOff" and \
            container(pod).restart_count >= 2 else None
    pod = eventually(loops, 90, "it is in CrashLoopBackOff")
    assert pod.status.phase == "Running"
    assert container(pod).last_state.terminated.exit_code == 7
    assert container(pod).last_state.terminated.reason == "Error"
    assert container(pod).ready is False
    assert condition(pod, "Ready").reason == "ContainersNotReady"
    eventually(lambda: [event for event in world.events(namespace, "loop")
                        if (event.type, event.reason) == ("Warning", "BackOff")], 60,
               "an Event of type Warning says it")
    # While it waits ACI still has the log of the run that ended, and the kubelet shows it either way.
    for flags in ([], ["--previous"]):
        eventually(lambda flags=flags: world.kubectl("logs", "-n", namespace, "loop", *flags,
                                                     check=False).stdout == "try\n", 60,
                   "its log is shown while it waits")


@pytest.mark.parametrize("word, reason", [("Error", "Error"), ("OOMKilled", "OOMKilled")])
def test_container_out_of_memory_is_what_aci_calls_it(world, namespace, word, reason):
    """The kernel kills it, and the emulator knows; which word the service has for it is not known.
    Exit code 137 alone says no more than that it was killed."""
    world.control_post("/out-of-memory", {"detailStatus": word})
    try:
        world.apply(namespace, manifests.pod("hungry", manifests.shell("exec tail /dev/zero"),
                                             restartPolicy="Never"))
        pod = phase(world, namespace, "hungry", "Failed")
    finally:
        world.control_post("/out-of-memory", {"detailStatus": "Error"})
    ended = container(pod).state.terminated
    assert (ended.exit_code, ended.reason) == (137, reason)
    assert reason == "OOMKilled" or "memory" in ended.message


def test_exit_code_137_alone_is_not_out_of_memory(world, namespace):
    world.apply(namespace, manifests.pod("says-so", manifests.shell("exit 137"),
                                         restartPolicy="Never"))
    ended = container(phase(world, namespace, "says-so", "Failed")).state.terminated
    assert (ended.exit_code, ended.reason) == (137, "Error")


def test_init_container_that_fails_fails_the_pod(world, namespace):
    world.apply(namespace, manifests.pod(
        "unprepared", manifests.shell("echo never"), restartPolicy="Never",
        initContainers=[manifests.shell("exit 4", name="prepare")]))
    pod = phase(world, namespace, "unprepared", "Failed")
    assert pod.status.init_container_statuses[0].state.terminated.exit_code == 4
    assert container(pod).state.waiting.reason == "PodInitializing"
    assert condition(pod, "Initialized").status == "False"


def test_args_alone_follow_the_entry_point_of_the_image(world, namespace):
    world.apply(namespace, manifests.pod("args", manifests.container(
        "web", manifests.WEB, args=["-r", "from args"], ports=[{"containerPort": 80}])))
    pod = phase(world, namespace, "args", "Running")
    assert "hello" in eventually(lambda: world.fetch(pod.status.pod_ip), 60, "it answers")
    log = world.kubectl("logs", "-n", namespace, "args").stdout
    assert "serving on port 80" in log and "further flags: -r from args" in log


def test_working_directory_that_aci_can_not_give_fails_with_a_way_out(world, namespace):
    world.apply(namespace, manifests.pod("lost", manifests.shell("pwd", workingDir="/tmp"),
                                         restartPolicy="Never"))
    pod = phase(world, namespace, "lost", "Failed")
    assert "workingDir" in pod.status.message and "WORKDIR" in pod.status.message
    world.apply(namespace, manifests.pod("found", manifests.shell("pwd", workingDir="/"),
                                         restartPolicy="Never"))
    phase(world, namespace, "found", "Succeeded")
    assert world.kubectl("logs", "-n", namespace, "found").stdout == "/\n"


@pytest.mark.parametrize("how", ["command", "args"])
def test_missing_image_is_waited_for(world, namespace, how):
    """With a command it is ACI that refuses the image, with args alone it is the kubelet that can
    not read it: both say what the registry says, both recover by themselves."""
    tag = f"late-{namespace[-8:]}"
    fields = {"command": ["/bin/sh", "-c"], "args": ["exec sleep 1000"]} if how == "command" else \
        {"args": ["/bin/sh", "-c", "exec sleep 1000"]}
    world.apply(namespace, manifests.pod("patient", manifests.container(
        "main", f"busybox:{tag}", **fields)))
    seen = set()

    def waits(reason):
        waiting = container(world.pod(namespace, "patient")).state.waiting
        seen.add(waiting.reason)
        return waiting if waiting.reason == reason else None
    waiting = eventually(lambda: waits("ErrImagePull"), 90, "ErrImagePull")
    assert f"busybox:{tag}" in waiting.message
    assert "not found" in waiting.message and "(manifest unknown)" in waiting.message
    eventually(lambda: waits("ImagePullBackOff"), 90, "ImagePullBackOff")
    assert world.pod(namespace, "patient").status.phase == "Pending"
    failures = eventually(lambda: [event for event in world.events(namespace, "patient")
                                   if event.reason == "Failed"], 60, "an Event tells")
    assert len(failures) == 1 and "not found" in failures[0].message
    tag_image("library/busybox", "latest", tag)
    pod = phase(world, namespace, "patient", "Running", 90)
    assert container(pod).restart_count == 0 and container(pod).state.waiting is None


def test_finished_group_goes_and_its_log_stays(world, namespace, short_lived):
    world.apply(namespace, manifests.pod(
        "brief", manifests.shell("for i in 1 2 3; do echo line $i; done", name="first"),
        manifests.shell("echo other", name="second"), restartPolicy="Never"))
    phase(world, namespace, "brief", "Succeeded")
    eventually(lambda: not world.groups_of(namespace), 90, "its group is gone")

    def logs(*flags, **kwargs):
        return world.kubectl("logs", "-n", namespace, "brief", *flags, **kwargs)

    def stays():
        assert logs("-c", "first").stdout == "line 1\nline 2\nline 3\n"
        assert logs("-c", "first", "--tail=1").stdout == "line 3\n"
        assert logs("-c", "second").stdout == "other\n"
    stays()
    pod = world.pod(namespace, "brief")
    assert pod.status.phase == "Succeeded" and pod.status.pod_ip
    # Nobody creates it again, this process or the next.
    puts = world.puts()
    world.kill_kubelet()
    world.start_kubelet("--finished-log-dir", short_lived)
    holds(lambda: not world.groups_of(namespace) and world.puts() == puts, 5, "no group again")
    assert world.pod(namespace, "brief").status == pod.status
    stays()
    # In memory alone they are forgotten.
    world.kill_kubelet()
    world.start_kubelet()
    eventually(lambda: "no copy of the log" in logs("-c", "first", check=False).stderr, 30,
               "the log is forgotten")


def test_never_is_kept_where_aci_restarts_all_the_same(world, namespace):
    world.apply(namespace, manifests.pod("once", manifests.shell(
        "trap 'exit 5' TERM; echo run; while true; do sleep 1; done"), restartPolicy="Never"))
    phase(world, namespace, "once", "Running")
    group = world.groups_of(namespace)[0]
    world.arm_post(f"{group['id']}/restart")
    pod = phase(world, namespace, "once", "Failed")
    assert container(pod).state.terminated is not None
    eventually(lambda: [event for event in world.events(namespace, "once")
                        if event.reason == "ContainerRestartedByPlatform"], 60, "an Event tells")
    eventually(lambda: not world.groups_of(namespace), 90, "the group does not run on")
    assert "run\n" in world.kubectl("logs", "-n", namespace, "once").stdout


def test_events_are_told_once_also_across_a_restart(world, namespace):
    world.apply(namespace, manifests.pod("told", manifests.web(), manifests.shell(
        "exec sleep 1000", name="side")))
    phase(world, namespace, "told", "Running")

    def told():
        return sorted((event.reason, event.message, event.involved_object.field_path, event.count)
                      for event in world.events(namespace, "told")
                      if event.source.component != "default-scheduler")

    def started():
        return len([event for event in told() if event[0] == "Started"]) == 2
    eventually(started, 90, "both containers' starts are told")
    before = []

    def no_more():
        nonlocal before
        last, before = before, told()
        return before == last
    eventually(no_more, 60, "nothing more is told", every=2)
    assert len({event[:3] for event in before}) == len(before)
    world.kill_kubelet()
    world.start_kubelet()
    phase(world, namespace, "told", "Running")
    holds(lambda: told() == before, 5, "the same Events")
