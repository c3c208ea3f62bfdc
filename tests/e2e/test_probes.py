# SPDX-License-Identifier: Apache-2.0
"""Probes of real containers: servers that fail and recover, and what Kubernetes makes of it."""

import kubernetes

import manifests
from polling import eventually, holds

# As much of HTTP/2 and gRPC as says SERVING to the first request of a connection.
GRPC_ANSWER = (
    r"\000\000\000\004\000\000\000\000\000" r"\000\000\000\004\001\000\000\000\000"
    r"\000\000\040\001\004\000\000\000\001" r"\210\000\014content-type\020application/grpc"
    r"\000\000\007\000\000\000\000\000\001" r"\000\000\000\000\002\010\001"
    r"\000\000\017\001\005\000\000\000\001" r"\000\013grpc-status\0010")
GRPC_SERVER = ("printf '#!/bin/sh\\nhead -c 100 >/dev/null\\ncat /tmp/answer\\nsleep 2\\n' "
               ">/tmp/serve; "
               f"printf '{GRPC_ANSWER}' >/tmp/answer; chmod 755 /tmp/serve; "
               "exec nc -ll -p 8083 -e /tmp/serve")


def probe(failures=1, **handler):
    return {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": failures, **handler}


def http(path, port=8080):
    return {"httpGet": {"path": path, "port": port}}


def command(*words):
    return {"exec": {"command": list(words)}}


def later(script, server):
    """The script, and the server once the test says so."""
    return f"{script}; until [ -e /tmp/go ]; do sleep 0.2; done; {server}"


def status(pod, name):
    return next(c for c in pod.status.container_statuses if c.name == name)


def condition(pod, kind):
    return next((c for c in pod.status.conditions or [] if c.type == kind), None)


def is_ready(pod):
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def is_running(pod):
    statuses = pod.status.container_statuses
    return statuses and all(c.state.running for c in statuses)


def said(world, namespace, name, reason, text):
    return any(event.reason == reason and text in event.message
               for event in world.events(namespace, name))


def tell(world, namespace, name, container, script):
    world.kubectl("exec", "-n", namespace, name, "-c", container, "--", "sh", "-c", script)


def endpoint_is_ready(world, namespace):
    api = kubernetes.client.DiscoveryV1Api(world.core.api_client)
    slices = api.list_namespaced_endpoint_slice(
        namespace, label_selector="kubernetes.io/service-name=web").items
    return [e.conditions.ready for s in slices for e in s.endpoints or []]


def test_readiness_puts_a_pod_into_its_service_and_takes_it_out(world, shared_namespace):
    namespace = shared_namespace
    web = manifests.pod("web", manifests.shell(
        "mkdir -p /tmp/www; exec httpd -f -p 8080 -h /tmp/www", name="web",
        ports=[{"name": "http", "containerPort": 8080}],
        readinessProbe=probe(**http("/ready", "http"))))
    web["metadata"]["labels"] = {"app": "web"}
    world.apply(namespace, web, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}})
    eventually(lambda: said(world, namespace, "web", "Unhealthy",
                            "Readiness probe failed: HTTP probe failed with statuscode: 404"),
               60, "an Event tells of the 404")
    pod = world.pod(namespace, "web")
    assert not is_ready(pod)
    assert status(pod, "web").started and not status(pod, "web").ready
    assert condition(pod, "ContainersReady").reason == "ContainersNotReady"
    tell(world, namespace, "web", "web", "touch /tmp/www/ready")
    eventually(lambda: is_ready(world.pod(namespace, "web")), 90, "the pod is Ready")
    eventually(lambda: endpoint_is_ready(world, namespace) == [True], 90, "the Service has it")
    tell(world, namespace, "web", "web", "rm /tmp/www/ready")
    eventually(lambda: not is_ready(world.pod(namespace, "web")), 90, "the pod is not Ready")
    eventually(lambda: endpoint_is_ready(world, namespace) == [False], 90, "the Service lost it")
    assert status(world.pod(namespace, "web"), "web").restart_count == 0


def test_each_kind_of_probe_sees_its_server_come_up(world, shared_namespace):
    namespace = shared_namespace
    world.apply(namespace, manifests.pod(
        "kinds",
        manifests.shell(later("true", "sleep 1000"), name="exec",
                        startupProbe=probe(600, **command("test", "-e", "/tmp/go")),
                        readinessProbe=probe(
                            **command("sh", "-c", "echo not yet\ntest -e /tmp/on"))),
        manifests.shell(later("true", "exec nc -ll -p 8082 -e true"), name="tcp",
                        readinessProbe=probe(tcpSocket={"port": 8082})),
        manifests.shell(later("true", GRPC_SERVER), name="grpc",
                        readinessProbe=probe(grpc={"port": 8083}))))
    for text in ("Startup probe failed: ",
                 ":8082: connect: connection refused",
                 "Readiness probe failed: error: failed to connect service at"):
        eventually(lambda text=text: said(world, namespace, "kinds", "Unhealthy", text), 60, text)
    pod = world.pod(namespace, "kinds")
    assert is_running(pod)
    assert [(c.name, c.started, c.ready) for c in pod.status.container_statuses] == [
        ("exec", False, False), ("tcp", True, False), ("grpc", True, False)]
    assert condition(pod, "ContainersReady").message == (
        "containers with unready status: [exec tcp grpc]")
    assert not said(world, namespace, "kinds", "Unhealthy", "not yet")
    for name in ("exec", "tcp", "grpc"):
        tell(world, namespace, "kinds", name, "touch /tmp/go")
    eventually(lambda: status(world.pod(namespace, "kinds"), "exec").started, 90, "exec started")
    eventually(lambda: said(world, namespace, "kinds", "Unhealthy",
                            "Readiness probe failed: not yet"), 90, "exec is not ready yet")
    tell(world, namespace, "kinds", "exec", "touch /tmp/on")
    eventually(lambda: is_ready(world.pod(namespace, "kinds")), 90, "all are ready")
    assert not said(world, namespace, "kinds", "Unhealthy", "errored")


SOON_DEAF = "httpd -p 8080 -h /; sleep 4; killall -9 httpd; sleep 1000 & wait"


def dying(name, policy, script, **fields):
    """A server that stops listening, and a container that has nothing to do with it."""
    return manifests.pod(
        name, manifests.shell(script, name="web",
                              livenessProbe=probe(2, tcpSocket={"port": 8080}, **fields)),
        manifests.shell("sleep 1000", name="other"), restartPolicy=policy)


def test_a_container_that_is_not_alive_is_restarted(world, shared_namespace):
    namespace = shared_namespace
    world.apply(namespace, dying("dying", "Always", f"trap 'exit 3' TERM; {SOON_DEAF}"))
    eventually(lambda: said(world, namespace, "dying", "Killing",
                            "Container web failed liveness probe, will be restarted"),
               60, "an Event tells of the end")
    ended = eventually(lambda: status(world.pod(namespace, "dying"), "web").last_state.terminated,
                       60, "the container was restarted")
    assert ended.exit_code == 3
    eventually(lambda: is_ready(world.pod(namespace, "dying")), 60, "it runs again")
    assert said(world, namespace, "dying", "Unhealthy", "connect: connection refused")
    assert status(world.pod(namespace, "dying"), "other").restart_count == 0


def test_what_ignores_signals_fails_where_nothing_restarts(world, shared_namespace):
    namespace = shared_namespace
    world.apply(namespace, dying("dead", "Never", f"trap '' TERM; {SOON_DEAF}",
                                 terminationGracePeriodSeconds=1))
    eventually(lambda: world.pod(namespace, "dead").status.phase == "Failed", 60, "the pod failed")
    ended = status(world.pod(namespace, "dead"), "web").state.terminated
    assert (ended.exit_code, ended.message) == (137, "Container web failed liveness probe")
    eventually(lambda: not [g for g in world.groups_of(namespace) if "dead" in g["tags"].values()],
               30, "its group is gone")
    holds(lambda: world.pod(namespace, "dead").status.phase == "Failed", 1, "it stays Failed")


def alive_until_told(name, script, **handler):
    """What keeps it alive goes once the test says so; the probe is one that ACI runs itself."""
    return manifests.shell(f"trap 'exit 3' TERM; touch /tmp/alive; {script}; "
                           "until [ -e /tmp/go ]; do sleep 0.2; done; rm /tmp/alive; sleep 1000 & wait",
                           name=name, livenessProbe=probe(3, **handler))


def test_aci_restarts_what_fails_its_own_liveness_probe(world, shared_namespace):
    namespace = shared_namespace
    names = ("exec", "http")
    world.apply(namespace, manifests.pod(
        "own", alive_until_told("exec", "true", **command("test", "-e", "/tmp/alive")),
        alive_until_told("http", "httpd -p 8085 -h /tmp", **http("/alive", 8085))))
    eventually(lambda: is_ready(world.pod(namespace, "own")), 60, "both run")
    before = {name: status(world.pod(namespace, "own"), name).restart_count for name in names}
    for name in names:
        tell(world, namespace, "own", name, "touch /tmp/go")

    def restarted():
        pod = world.pod(namespace, "own")
        return is_running(pod) and all(
            status(pod, name).restart_count > before[name] for name in names) and pod
    pod = eventually(restarted, 120, "ACI has started both again")
    assert [status(pod, name).last_state.terminated.exit_code for name in names] == [3, 3]
    eventually(lambda: said(world, namespace, "own", "Unhealthy", "Liveness probe failed"), 60,
               "an Event says why")
