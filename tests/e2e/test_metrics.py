# SPDX-License-Identifier: Apache-2.0
"""What pods use, from the kernel's counters to kubectl top and the Horizontal Pod Autoscaler."""

import datetime
import json
import re
import threading
import time
import urllib.request

import pytest

import cgroups
import manifests
from polling import eventually

# Holds 30 MB, and uses about half of whatever CPU it gets.
BUSY = ("(head -c 30000000 /dev/zero; exec sleep 3600) | tail & "
        "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05; done")
# A web server whose page takes some CPU time.
BURNER = ("mkdir -p /tmp/www/cgi-bin && cd /tmp/www && "
          "printf '#!/bin/sh\\necho Content-Type: text/plain; echo; i=0; "
          "while [ $i -lt 60000 ]; do i=$((i+1)); done; echo done\\n' >cgi-bin/burn && "
          "chmod 755 cgi-bin/burn && exec httpd -f -p 8080 -h /tmp/www")
SAMPLE = re.compile(r'^container_(cpu_usage_seconds_total|start_time_seconds)\{namespace="([^"]+)",'
                    r'pod="([^"]+)",container="([^"]+)"\} ([0-9.]+)( \d+)?$', re.M)


@pytest.fixture(scope="module", name="metrics_server")
def _metrics_server(world):
    world.script("metrics-server", "up", world.folder)
    yield
    world.script("metrics-server", "down", world.folder)


def script(text, port):
    """A shell of an image whose user is the one that the pod asks for."""
    return manifests.container("main", manifests.WEB, command=["/bin/sh", "-c"], args=[text],
                               ports=[{"containerPort": port}])


def busy(name):
    return manifests.pod(name, script(BUSY, 80))


def running(world, namespace, name):
    def look():
        pod = world.pod(namespace, name)
        return pod if pod.status.phase == "Running" else None
    return eventually(look, 60, f"pod {name} runs")


def pod_metrics(world, namespace, name):
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name}"
    return json.loads(world.kubectl("get", "--raw", path).stdout)


def cpus(quantity):
    for suffix, factor in (("n", 1e-9), ("u", 1e-6), ("m", 1e-3)):
        if quantity.endswith(suffix):
            return float(quantity[:-1]) * factor
    return float(quantity)


def bytes_of(quantity):
    for suffix, factor in (("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)):
        if quantity.endswith(suffix):
            return float(quantity[:-2]) * factor
    return float(quantity)


def samples(world):
    """(what, namespace, pod, container) -> value of /metrics/resource."""
    text = world.kubectl("get", "--raw",
                         f"/api/v1/nodes/{world.node}/proxy/metrics/resource").stdout
    return {match.group(1, 2, 3, 4): float(match.group(5)) for match in SAMPLE.finditer(text)}


def test_kubectl_top_shows_what_the_kernel_counts(world, namespace, metrics_server):
    names = ("one", "two")
    world.apply(namespace, *[busy(name) for name in names])
    paths = {name: cgroups.folder(world, running(world, namespace, name)) for name in names}
    # From then on it stays: no figure is of a pod that still fills up.
    for name, path in paths.items():
        eventually(lambda path=path: cgroups.working_set(path) > 30e6, 60, f"{name} holds what it will")
    with cgroups.Recorder(paths) as recorder:
        for name in names:
            def compared(name=name):
                seen = pod_metrics(world, namespace, name)
                end = datetime.datetime.fromisoformat(seen["timestamp"].replace("Z", "+00:00"))
                window = float(seen["window"].rstrip("s"))
                rates = recorder.rates(name, end.timestamp(), window)
                return rates and (seen["containers"], rates)
            containers, (least, most) = eventually(compared, 90, f"figures of {name}")
            assert [container["name"] for container in containers] == ["main"]
            used = cpus(containers[0]["usage"]["cpu"])
            assert least * 0.9 <= used <= most * 1.1, f"{used}, and the kernel counts {least}..{most}"
            held = bytes_of(containers[0]["usage"]["memory"])
            assert held == pytest.approx(cgroups.working_set(paths[name]), rel=0.1)
            assert held > 30e6
    table = world.kubectl("top", "pods", "-n", namespace, "--no-headers").stdout
    assert sorted(line.split()[0] for line in table.splitlines()) == list(names)
    nodes = eventually(lambda: world.kubectl("top", "nodes", "--no-headers").stdout, 60,
                       "figures of the node")
    assert nodes.split()[0] == world.node
    assert int(nodes.split()[3].rstrip("Mi%")) >= 57


def test_counters_survive_the_kubelet(world, namespace):
    world.apply(namespace, busy("steady"))
    running(world, namespace, "steady")
    cpu = ("cpu_usage_seconds_total", namespace, "steady", "main")
    start = ("start_time_seconds", namespace, "steady", "main")
    before = eventually(lambda: cpu in (seen := samples(world)) and seen, 90, "figures")
    world.kill_kubelet()
    world.start_kubelet()
    after = eventually(lambda: cpu in (seen := samples(world)) and seen, 60, "figures again")
    assert after[start] == before[start]
    assert after[cpu] >= before[cpu] > 0


def test_a_counter_goes_back_only_with_a_later_start(world, namespace):
    world.apply(namespace, busy("again"))
    pod = running(world, namespace, "again")
    cpu = ("cpu_usage_seconds_total", namespace, "again", "main")
    start = ("start_time_seconds", namespace, "again", "main")
    seen = [eventually(lambda: cpu in (one := samples(world)) and one, 90, "figures")]
    group = next(group["name"] for group in world.groups_of(namespace)
                 if pod.metadata.uid in group["tags"].values())
    world.control_post("/incidents", {"incident": "restart", "group": group, "exitCode": 7148})

    def began_anew():
        one = samples(world)
        if cpu in one:
            seen.append(one)
        return one.get(start, 0) > seen[0][start]
    eventually(began_anew, 60, "a later start", every=0.5)
    for before, after in zip(seen, seen[1:]):
        assert after[start] >= before[start]
        if after[start] == before[start]:
            assert after[cpu] >= before[cpu]
    # It counts from its new start, and cannot have used more than two CPUs since.
    assert 0 < seen[-1][cpu] <= 2 * (time.time() - seen[-1][start])


def test_the_summary_has_network_and_memory(world, namespace):
    world.apply(namespace, busy("told"))
    pod = running(world, namespace, "told")

    def told():
        text = world.kubectl("get", "--raw",
                             f"/api/v1/nodes/{world.node}/proxy/stats/summary").stdout
        found = [one for one in json.loads(text)["pods"] if one["podRef"]["uid"] == pod.metadata.uid]
        return found and found[0]["containers"] and found[0]
    summary = eventually(told, 90, "a pod with figures in the summary")
    assert summary["network"]["name"] == "eth0"
    assert summary["containers"][0]["memory"]["workingSetBytes"] > 0
    assert summary["containers"][0]["cpu"]["usageCoreNanoSeconds"] > 0


def autoscaler(most):
    at_once = {"stabilizationWindowSeconds": 0,
               "policies": [{"type": "Percent", "value": 200, "periodSeconds": 5}]}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "shop"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment",
                                        "name": "shop"},
                     "minReplicas": 2, "maxReplicas": most,
                     "metrics": [{"type": "Resource", "resource": {
                         "name": "cpu", "target": {"type": "Utilization",
                                                   "averageUtilization": 50}}}],
                     "behavior": {"scaleUp": at_once, "scaleDown": at_once}}}


class Load:
    """Customers: each asks one pod after the other for the page, as a load balancer would have it."""

    def __init__(self, world, namespace, customers):
        self._world, self._namespace = world, namespace
        self._end = threading.Event()
        self._addresses = []
        self._threads = [threading.Thread(target=self._look, daemon=True)]
        self._threads += [threading.Thread(target=self._ask, args=(n,), daemon=True)
                          for n in range(customers)]
        self.answers = 0

    def _look(self):
        while not self._end.wait(1):
            self._addresses = [
                pod.status.pod_ip for pod in self._world.pods(self._namespace)
                if pod.status.pod_ip and any(c.type == "Ready" and c.status == "True"
                                             for c in pod.status.conditions or [])]

    def _ask(self, turn):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not self._end.wait(0.01):
            turn += 1
            addresses = self._addresses
            if not addresses:
                continue
            try:
                with opener.open(f"http://{addresses[turn % len(addresses)]}:8080/cgi-bin/burn",
                                 timeout=20) as answer:
                    self.answers += answer.read() == b"done\n"
            except OSError:
                pass  # a pod that is going away

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join(30)


def test_a_deployment_grows_with_the_load_and_shrinks_again(world, namespace, metrics_server,
                                                            request):
    most = 20 if request.config.getoption("--full") else 6
    shop = script(BURNER, 8080)
    world.apply(namespace, manifests.deployment("shop", 2, shop), autoscaler(most))

    def replicas():
        status = world.apps.read_namespaced_deployment("shop", namespace).status
        return status.ready_replicas or 0

    eventually(lambda: replicas() == 2, 60, "two pods are ready")
    with Load(world, namespace, 8) as load:
        eventually(lambda: replicas() >= 4, 120, "at least twice as many pods are ready")
        assert load.answers > 0
    eventually(lambda: replicas() == 2, 180, "two pods are left")
    scaler = json.loads(world.kubectl("get", "hpa", "shop", "-n", namespace, "-o", "json").stdout)
    conditions = {c["type"]: c["status"] for c in scaler["status"]["conditions"]}
    assert conditions["ScalingActive"] == "True"
