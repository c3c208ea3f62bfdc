# SPDX-License-Identifier: Apache-2.0
"""Jobs and CronJobs on real containers: they succeed and fail as Kubernetes says, whatever ACI does
with containers that have ended."""

import kubernetes
import pytest

import manifests
from polling import eventually

STATE = {"name": "state", "mountPath": "/state"}
VOLUMES = [{"name": "state", "emptyDir": {}}]


def batch(world):
    return kubernetes.client.BatchV1Api(world.core.api_client)


def pod_template(*containers, policy="Never", **fields):
    return {"spec": manifests.pod_spec(*containers, restartPolicy=policy, **fields)}


def job(name, template, **fields):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {**fields, "template": template}}


def job_that_is(world, namespace, name, kind, timeout=90):
    """The job, and its condition of that kind, once it is true."""
    def reached():
        found = batch(world).read_namespaced_job(name, namespace)
        return next(((found, one) for one in found.status.conditions or []
                     if one.type == kind and one.status == "True"), None)
    return eventually(reached, timeout, f"job {name} is {kind}")


def pods_of(world, namespace, name):
    return world.pods(namespace, f"batch.kubernetes.io/job-name={name}")


def container(pod):
    return pod.status.container_statuses[0]


@pytest.fixture(scope="module", name="ticking", autouse=True)
def _ticking(world):
    """A CronJob that is due each minute; the first cases run meanwhile."""
    name = "ticking-cron-job"
    world.core.create_namespace(kubernetes.client.V1Namespace(
        metadata=kubernetes.client.V1ObjectMeta(name=name)))
    eventually(lambda: world.core.read_namespaced_service_account("default", name), 90,
               f"the default service account of {name}")
    world.apply(name, {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "minutely"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {
            "template": pod_template(manifests.shell("echo it is time"))}}}})
    yield name
    batch(world).delete_namespaced_cron_job("minutely", name, propagation_policy="Foreground")
    eventually(lambda: not world.pods(name) and not world.groups_of(name), 60,
               "nothing of the CronJob is left")
    world.core.delete_namespace(name)


def test_job_is_complete_after_all_its_completions(world, namespace):
    world.apply(namespace, job("good", pod_template(manifests.shell("echo done")), completions=3,
                               parallelism=2))
    found, _ = job_that_is(world, namespace, "good", "Complete")
    assert found.status.succeeded == 3 and not found.status.failed
    pods = pods_of(world, namespace, "good")
    assert len(pods) == 3
    for pod in pods:
        assert container(pod).state.terminated.reason == "Completed"
        ready = next(one for one in pod.status.conditions if one.type == "Ready")
        assert (ready.status, ready.reason) == ("False", "PodCompleted")


def test_job_that_fails_stops_at_its_limit(world, namespace):
    world.apply(namespace, job("bad", pod_template(manifests.container("main", manifests.CRASHER)),
                               backoffLimit=1))
    found, failed = job_that_is(world, namespace, "bad", "Failed", 120)
    assert failed.reason == "BackoffLimitExceeded"
    assert found.status.failed == 2
    pods = pods_of(world, namespace, "bad")
    assert len(pods) == 2
    for pod in pods:
        assert pod.status.phase == "Failed"
        assert container(pod).state.terminated.exit_code == 3
        assert container(pod).restart_count == 0


def test_job_whose_container_is_restarted_on_failure_completes(world, namespace):
    again = manifests.shell("[ -f /state/tried ] && exit 0; touch /state/tried; exit 4",
                            volumeMounts=[STATE])
    world.apply(namespace, job("stubborn", pod_template(again, policy="OnFailure", volumes=VOLUMES),
                               backoffLimit=4))
    found, _ = job_that_is(world, namespace, "stubborn", "Complete", 120)
    assert found.status.succeeded == 1 and not found.status.failed
    pod, = pods_of(world, namespace, "stubborn")
    assert container(pod).restart_count == 1
    assert container(pod).last_state.terminated.exit_code == 4
    assert container(pod).state.terminated.exit_code == 0


def test_exit_code_decides_what_a_job_does_with_a_failure(world, namespace):
    """podFailurePolicy reads the exit code from the pod's status."""
    world.apply(namespace, job(
        "picky", pod_template(manifests.shell("exit 42")), backoffLimit=6,
        podFailurePolicy={"rules": [{"action": "FailJob", "onExitCodes": {
            "containerName": "main", "operator": "In", "values": [42]}}]}))
    found, failed = job_that_is(world, namespace, "picky", "Failed")
    assert failed.reason == "PodFailurePolicy" and found.status.failed == 1


def test_failed_container_that_aci_runs_again_has_failed_all_the_same(world, namespace):
    """restartPolicy Never is no promise of ACI for other exit codes than 0. The second run would go
    on for ever."""
    twice = manifests.shell("[ -f /state/ran ] && exec sleep 1000; touch /state/ran; exit 3",
                            volumeMounts=[STATE])
    world.apply(namespace, job("once", pod_template(twice, volumes=VOLUMES), backoffLimit=0))
    found, failed = job_that_is(world, namespace, "once", "Failed")
    assert failed.reason == "BackoffLimitExceeded" and found.status.failed == 1
    pod, = pods_of(world, namespace, "once")
    group, = world.groups_of(namespace)
    assert world.control_post("/incidents", {"incident": "rerun", "group": group["name"]}) == {
        "groups": [group["name"]]}

    def told():
        return [event for event in world.events(namespace, pod.metadata.name)
                if event.reason == "ContainerRestartedByPlatform"]
    event, = eventually(told, 60, "an Event tells")
    assert event.type == "Warning" and "main" in event.message
    eventually(lambda: not world.groups_of(namespace), 60, "the group does not run on")
    after = world.pod(namespace, pod.metadata.name)
    assert after.status.phase == "Failed"
    assert container(after).state.terminated.exit_code == 3
    assert container(after).state.terminated.finished_at == \
        container(pod).state.terminated.finished_at
    found = batch(world).read_namespaced_job("once", namespace)
    assert found.status.failed == 1 and not found.status.active


def test_job_that_is_made_from_a_cron_job_runs(world, namespace):
    world.apply(namespace, {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "yearly"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {
            "template": pod_template(manifests.shell("echo by hand"))}}}})
    world.kubectl("create", "job", "-n", namespace, "by-hand", "--from=cronjob/yearly")
    job_that_is(world, namespace, "by-hand", "Complete")
    assert world.kubectl("logs", "-n", namespace, "job/by-hand").stdout == "by hand\n"


def test_cron_job_runs_when_it_is_due(world, ticking):
    def made():
        jobs = batch(world).list_namespaced_job(ticking).items
        # The newest: of older ones only a few are kept.
        return jobs and max(jobs, key=lambda one: one.metadata.creation_timestamp)
    newest = eventually(made, 90, "a job is made within a minute")
    assert newest.metadata.owner_references[0].name == "minutely"
    found, _ = job_that_is(world, ticking, newest.metadata.name, "Complete")
    assert found.status.succeeded == 1
    assert world.kubectl("logs", "-n", ticking, f"job/{newest.metadata.name}").stdout == \
        "it is time\n"
