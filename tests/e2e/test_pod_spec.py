# SPDX-License-Identifier: Apache-2.0
"""What pods say beyond the plain, on real containers: native sidecars, parts of volumes, liveness,
and refusals that cost Azure nothing."""

import subprocess

import manifests
from polling import eventually
from test_jobs import job, job_that_is, pod_template, pods_of

FILES = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"},
         "data": {"x": "from x\n", "y": "from y\n"}}


def log_of(world, namespace, pod, lines):
    return eventually(lambda: (text := world.kubectl("logs", "-n", namespace, pod,
                                                     check=False).stdout).count("\n") >= lines and text,
                      60, f"pod {pod} printed {lines} lines")


def test_a_job_ends_although_its_sidecar_would_run_on(world, namespace):
    sidecar = manifests.shell("exec sleep 3600", name="proxy", restartPolicy="Always")
    template = pod_template(manifests.shell("echo done"), initContainers=[sidecar],
                            policy="OnFailure")
    world.apply(namespace, job("with-sidecar", template))
    job_that_is(world, namespace, "with-sidecar", "Complete")
    (pod,) = pods_of(world, namespace, "with-sidecar")
    assert pod.status.phase == "Succeeded"
    assert [s.name for s in pod.status.init_container_statuses] == ["proxy"]
    # A finished group stays for 10 min; this one runs on, so it goes at once.
    eventually(lambda: not world.groups_of(namespace), 60, "the group of the sidecar is gone")


def test_parts_of_volumes_are_where_the_pod_wants_them(world, namespace):
    script = "cat /all/a/one /all/b/two /part/one; echo note >/cache/n; ls /cache /logs; exec sleep 3600"
    items = [{"key": "x", "path": "a/one"}, {"key": "y", "path": "b/two"}]
    pod = manifests.pod(
        "parts",
        manifests.shell(script, volumeMounts=[
            {"name": "files", "mountPath": "/all"},
            {"name": "files", "mountPath": "/part", "subPath": "a"},
            {"name": "scratch", "mountPath": "/cache", "subPath": "cache"},
            {"name": "scratch", "mountPath": "/logs", "subPath": "logs"}]),
        volumes=[{"name": "files", "configMap": {"name": "files", "items": items}},
                 {"name": "scratch", "emptyDir": {}}])
    world.apply(namespace, FILES, pod)
    log = log_of(world, namespace, "parts", 6)
    assert log.startswith("from x\nfrom y\nfrom x\n")
    assert "/cache:\nn\n" in log


def make_repository(world, path):
    """What the emulator takes for https://PATH: two commits, the first of them tagged v1."""
    folder = world.folder / "git" / path
    folder.mkdir(parents=True)

    def git(*arguments):
        subprocess.run(["git", "-C", str(folder), "-c", "user.name=e2e", "-c", "user.email=e2e@x", *arguments],
                       check=True, capture_output=True)
    git("init", "-q")
    for text, command in (("one", ("tag", "v1")), ("two", ("log",))):
        (folder / "file").write_text(f"{text}\n")
        git("add", "file")
        git("commit", "-q", "-m", text)
        git(*command)


def test_a_repository_is_cloned_before_the_containers_run(world, namespace):
    make_repository(world, "git.example/team/app.git")
    url = "https://git.example/team/app.git"
    pod = manifests.pod(
        "cloned",
        manifests.shell("cat /new/app/file /old/file; exec sleep 3600", volumeMounts=[
            {"name": "new", "mountPath": "/new"}, {"name": "old", "mountPath": "/old"}]),
        volumes=[{"name": "new", "gitRepo": {"repository": url}},
                 {"name": "old", "gitRepo": {"repository": url, "directory": ".", "revision": "v1"}}])
    # The profile "restricted" has no volumes of that kind.
    world.kubectl("label", "--overwrite", "namespace", namespace,
                  "pod-security.kubernetes.io/enforce=baseline")
    world.apply(namespace, pod)
    assert log_of(world, namespace, "cloned", 2) == "two\none\n"


def test_a_refusal_is_one_event_and_no_write(world, namespace):
    before = world.puts()
    pod = manifests.pod("refused", manifests.web(),
                        hostAliases=[{"ip": "10.1.2.3", "hostnames": ["db"]}])
    world.apply(namespace, pod)
    eventually(lambda: world.pod(namespace, "refused").status.phase == "Failed", 60,
               "the pod is refused")
    assert "spec.hostAliases" in world.pod(namespace, "refused").status.message
    refusals = eventually(lambda: [e for e in world.events(namespace, "refused")
                                   if "spec.hostAliases" in (e.message or "")], 90, "an Event says it")
    assert len(refusals) == 1 and refusals[0].count in (None, 1)
    assert world.puts() == before
