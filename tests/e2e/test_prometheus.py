# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes aci-kubelet: its metrics are well formed, the queries of the dashboard
and the alert rules find what they ask for."""

import json
import pathlib
import re
import subprocess
import urllib.parse
import urllib.request

import pytest

import manifests
from polling import eventually
from world import TESTS

DASHBOARDS = TESTS.parent / "deploy/dashboards"
ADDRESS = "127.0.0.1:9490"
# Metrics that exist only after something happened, or by an option that the world does not set.
MAY_BE_ABSENT = {"aci_kubelet_cost_total"}


@pytest.fixture(scope="module", name="programs")
def _programs():
    run = subprocess.run([TESTS / "world/prometheus"], check=True, capture_output=True, text=True,
                         timeout=300)
    return pathlib.Path(run.stdout.strip())


@pytest.fixture(name="prometheus")
def _prometheus(world, programs, tmp_path):
    pki = world.folder / "control-plane/pki"
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(DASHBOARDS / "alerts.yaml")],
        "scrape_configs": [
            {"job_name": job, "scheme": "https", "metrics_path": path,
             "tls_config": {"ca_file": str(pki / "ca.crt"), "cert_file": str(pki / "admin.crt"),
                            "key_file": str(pki / "admin.key")},
             "static_configs": [{"targets": [f"{world.node_address}:10250"]}]}
            for job, path in (("aci-kubelet", "/metrics"),
                              ("aci-kubelet-resource", "/metrics/resource"))]}
    file = tmp_path / "prometheus.json"
    file.write_text(json.dumps(config))
    with open(tmp_path / "log", "wb") as log, subprocess.Popen(
            [programs / "prometheus", f"--config.file={file}", f"--web.listen-address={ADDRESS}",
             f"--storage.tsdb.path={tmp_path / 'data'}"], stdout=log, stderr=log) as process:
        try:
            yield Server()
        finally:
            process.terminate()
            process.wait(120)


class Server:
    def __init__(self):
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path, **values):
        url = f"http://{ADDRESS}/api/v1/{path}?{urllib.parse.urlencode(values)}"
        with self._opener.open(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def query(self, text):
        return self.ask("query", query=text)["result"]


def expressions():
    dashboard = json.loads((DASHBOARDS / "aci-kubelet.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "20s").replace("$__range", "60s")
            yield panel["title"], text.replace("$instance", ".*")


def test_metrics_and_rules_are_well_formed(world, namespace, programs):
    # Something is paid for, so that every family has samples.
    world.apply(namespace, manifests.pod("web", manifests.web()))
    eventually(lambda: f'namespace="{namespace}"' in world.kubectl(
        "get", "--raw", f"/api/v1/nodes/{world.node}/proxy/metrics").stdout, 60, "costs are counted")
    for path in ("metrics", "metrics/resource", "metrics/cadvisor", "metrics/probes"):
        text = world.kubectl("get", "--raw", f"/api/v1/nodes/{world.node}/proxy/{path}").stdout
        run = subprocess.run([programs / "promtool", "check", "metrics"], input=text,
                             capture_output=True, text=True, timeout=120, check=False)
        # 3: well formed, but of another style than promtool's; those names are the kubelet's own.
        assert run.returncode in (0, 3), run.stderr
        assert all(re.match(r"(node|pod|container|resource|scrape|kubelet|prober)_", line)
                   for line in run.stderr.splitlines()), run.stderr
    for what in (("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")):
        run = subprocess.run([programs / "promtool", *what], cwd=DASHBOARDS, capture_output=True,
                             text=True, timeout=120, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


def test_the_dashboard_has_data(world, namespace, prometheus):
    world.apply(namespace, manifests.deployment("burst", 2, manifests.web()))
    eventually(lambda: world.apps.read_namespaced_deployment("burst", namespace)
               .status.ready_replicas == 2, 60, "two pods are ready")
    eventually(lambda: len(prometheus.query("up == 1")) == 2, 90, "both paths are scraped")
    eventually(lambda: prometheus.query(
        f'aci_kubelet_billed_vcpu_seconds_total{{namespace="{namespace}"}} > 0'), 90,
        "what is paid for is counted")
    eventually(lambda: float(prometheus.query("sum(kubelet_running_pods)")[0]["value"][1]) == 2, 90,
               "two pods run")
    eventually(lambda: prometheus.query("container_memory_working_set_bytes > 0"), 60,
               "what containers use is scraped")
    for title, text in expressions():
        if not any(name in text for name in MAY_BE_ABSENT) and "code!~" not in text:
            eventually(lambda text=text: prometheus.query(text), 90, f"{title} has data: {text}")
    rules = prometheus.ask("rules")["groups"][0]["rules"]
    assert len(rules) == (DASHBOARDS / "alerts.yaml").read_text().count("- alert:")
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
    assert not firing
    start = prometheus.query("kubelet_pod_start_duration_seconds_count")
    assert float(start[0]["value"][1]) >= 2
