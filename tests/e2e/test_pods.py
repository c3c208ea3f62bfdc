# SPDX-License-Identifier: Apache-2.0
"""Single pods, from binding to the end of their container group."""

import re
import time

import pytest

import manifests
from polling import eventually


def phase(world, namespace, name, wanted, timeout=60):
    def reached():
        pod = world.pod(namespace, name)
        return pod if pod.status.phase == wanted else None
    return eventually(reached, timeout, f"pod {name} is {wanted}")


def terminated(pod, index=0):
    return pod.status.container_statuses[index].state.terminated


def gone(world, namespace, name):
    return name not in [pod.metadata.name for pod in world.pods(namespace)]


@pytest.mark.parametrize("code", [3, 0, 137])
def test_exit_code_of_a_container_is_the_pods(world, namespace, code):
    world.apply(namespace, manifests.pod("ends", manifests.container(
        "main", manifests.CRASHER, env=[{"name": "EXIT_CODE", "value": str(code)}]),
        restartPolicy="Never"))
    pod = phase(world, namespace, "ends", "Failed" if code else "Succeeded")
    state = terminated(pod)
    assert state.exit_code == code
    assert state.reason == ("Error" if code else "Completed")
    assert state.started_at <= state.finished_at
    assert pod.status.container_statuses[0].restart_count == 0
    log = world.kubectl("logs", "-n", namespace, "ends").stdout
    assert log == f"ending with {code}\n"


def test_image_entry_point_runs_where_the_pod_names_no_command(world, namespace):
    world.apply(namespace, manifests.pod("plain", manifests.container(
        "web", manifests.WEB, ports=[{"containerPort": 80}])))
    pod = phase(world, namespace, "plain", "Running")
    assert "hello" in eventually(lambda: world.fetch(pod.status.pod_ip), 60, "it answers")
    log = world.kubectl("logs", "-n", namespace, "plain").stdout
    assert "serving on port 80 as user 65532" in log


def test_every_pod_has_its_service_account_token(world, namespace):
    """The volume that the API server adds: token, authority and namespace, and the token is good."""
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    world.apply(namespace, manifests.pod("token", manifests.shell(
        f"cd {folder} && cat namespace; echo; head -n 1 ca.crt; cat token; echo; touch x && exit 9; "
        "exit 0"), restartPolicy="Never"))
    phase(world, namespace, "token", "Succeeded")
    lines = world.kubectl("logs", "-n", namespace, "token").stdout.splitlines()
    assert lines[0] == namespace
    assert lines[1] == "-----BEGIN CERTIFICATE-----"
    token = lines[2]
    review = world.authentication.create_token_review({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}})
    assert review.status.authenticated is True
    assert review.status.user.username == f"system:serviceaccount:{namespace}:default"
    assert review.status.user.extra["authentication.kubernetes.io/pod-name"] == ["token"]


def test_init_containers_run_in_order_and_share_an_empty_dir(world, namespace):
    mount = [{"name": "work", "mountPath": "/shared"}]
    world.apply(namespace, manifests.pod(
        "order", manifests.shell("cat /shared/order; exit 0", volumeMounts=mount),
        initContainers=[manifests.shell(f"echo {n} >>/shared/order", name=f"init-{n}",
                                        volumeMounts=mount) for n in ("one", "two")],
        volumes=[{"name": "work", "emptyDir": {}}], restartPolicy="Never"))
    pod = phase(world, namespace, "order", "Succeeded")
    assert [status.state.terminated.exit_code for status in pod.status.init_container_statuses] == \
        [0, 0]
    assert world.kubectl("logs", "-n", namespace, "order").stdout == "one\ntwo\n"


def test_containers_of_a_pod_share_its_network_and_have_their_own_environment(world, namespace):
    world.apply(namespace, manifests.pod(
        "pair", manifests.web(),
        manifests.shell('echo "$GREETING"; until wget -qO- http://127.0.0.1:80/ 2>/dev/null; do :; done',
                        env=[{"name": "GREETING", "value": "one = 1, two = 'zwei'"}]),
        restartPolicy="OnFailure"))
    log = eventually(lambda: "hello" in (text := world.kubectl(
        "logs", "-n", namespace, "pair", "-c", "main").stdout) and text, 60, "main was answered")
    assert log == "one = 1, two = 'zwei'\nhello from a container group\n"


def test_container_that_fails_is_restarted_and_counted(world, namespace):
    world.apply(namespace, manifests.pod("again", manifests.shell("echo try; exit 1")))

    def restarted():
        statuses = world.pod(namespace, "again").status.container_statuses
        return statuses and statuses[0].restart_count >= 1 and statuses[0]
    status = eventually(restarted, 60, "a restart is counted")
    last = status.last_state.terminated or status.state.terminated
    assert last.exit_code == 1


def test_logs_can_be_cut_as_kubectl_asks(world, namespace):
    world.apply(namespace, manifests.pod("lines", manifests.shell(
        "for i in $(seq 1 20); do echo line $i; done; exec sleep 1000")))
    phase(world, namespace, "lines", "Running")

    def logs(*flags):
        return world.kubectl("logs", "-n", namespace, "lines", *flags).stdout
    whole = "".join(f"line {n}\n" for n in range(1, 21))
    eventually(lambda: logs() == whole, 60, "all lines are there")
    assert logs("--tail=2") == "line 19\nline 20\n"
    assert logs("--tail=0") == ""
    assert logs("--limit-bytes=13") == whole[:13]
    assert logs("--since=1h") == whole
    assert logs("--since-time=2100-01-01T00:00:00Z") == ""
    stamped = logs("--timestamps", "--tail=1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z line 20\n", stamped)
    wrong = world.kubectl("logs", "-n", namespace, "lines", "-c", "nobody", check=False)
    assert wrong.returncode != 0 and "nobody" in wrong.stderr


def test_deletion_ends_when_the_containers_are_gone_not_with_the_grace_period(world, namespace):
    world.apply(namespace, manifests.pod("slow", manifests.shell(
        "trap 'exit 0' TERM; while :; do sleep 0.1; done"), terminationGracePeriodSeconds=600))
    phase(world, namespace, "slow", "Running")
    began = time.monotonic()
    world.kubectl("delete", "pod", "-n", namespace, "slow", timeout=400)
    assert time.monotonic() - began < 300
    eventually(lambda: not world.groups_of(namespace), 60, "its group is gone")


def test_pods_deleted_while_they_are_created_leave_nothing(world, namespace):
    """From before the PUT until after the start: twelve pods, each deleted at another moment."""
    names = [f"brief-{n}" for n in range(12)]
    for n, name in enumerate(names):
        world.apply(namespace, manifests.pod(name, manifests.web(),
                                             terminationGracePeriodSeconds=1))
        # Not a wait for something: the moments themselves are what differs.
        time.sleep(0.06 * n)
        world.kubectl("delete", "pod", "-n", namespace, name, "--wait=false")
    eventually(lambda: all(gone(world, namespace, name) for name in names), 60, "all pods are gone")
    eventually(lambda: not world.groups_of(namespace), 60, "no container group is left")
    assert not [group for group in world.control_get("/groups")["groups"]
                if any(name in group["name"] for name in names)]


def test_pods_forced_away_while_they_run_leave_nothing(world, namespace):
    world.apply(namespace, manifests.deployment("forced", 3, manifests.web()))
    eventually(lambda: len(world.groups_of(namespace)) == 3, 60, "there are 3 groups")
    world.kubectl("delete", "deployment", "-n", namespace, "forced")
    world.kubectl("delete", "pods", "-n", namespace, "--all", "--force", "--grace-period=0")
    eventually(lambda: not world.pods(namespace), 90, "no pod is left")
    eventually(lambda: not world.groups_of(namespace), 120, "no container group is left")
