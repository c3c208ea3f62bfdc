# SPDX-License-Identifier: Apache-2.0
"""helm, and one control plane with aci-emulator for the whole session. What runs in it the chart brings."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import kubernetes
import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
for _folder in ("e2e", "restart"):
    sys.path.insert(0, str(TESTS / _folder))

# pylint: disable=wrong-import-position
from simulated import EMULATOR_FLAGS, SimulatedWorld

CHART = TESTS.parent / "deploy/chart"


def pytest_addoption(parser):
    parser.addoption("--programs", default=str(TESTS.parent / "build/release"),
                     help="folder of aci-kubelet and aci-emulator")
    parser.addoption("--world", default=None, help="folder of the run; kept afterwards")
    parser.addoption("--image", default=None,
                     help="folder with the image's file system; without it the program runs alone")


class ChartWorld(SimulatedWorld):
    def up(self):
        self.audit_log = self.folder / "audit.log"
        self.script("network", "up", self.folder)
        netns = (self.folder / "netns").read_text().strip()
        self.script("../controlplane/up", self.folder / "control-plane",
                    NETNS=netns, ADDR="10.240.0.1", PORT="6443",
                    API_ARGS=f"--audit-policy-file={HERE}/audit_policy.yaml "
                             f"--audit-log-path={self.audit_log}")
        self.script("emulator", "up", self.folder, *EMULATOR_FLAGS)
        self.enter()
        self.coordination = kubernetes.client.CoordinationV1Api(self.core.api_client)
        self.policy = kubernetes.client.PolicyV1Api(self.core.api_client)


class Helm:
    def __init__(self, folder):
        self.program = subprocess.run([str(TESTS / "controlplane/build-helm")], check=True,
                                      capture_output=True, text=True).stdout.strip() + "/helm"
        self.folder = folder
        self._number = 0

    def start(self, *arguments, kubeconfig=None):
        env = dict(os.environ, HOME=str(self.folder))
        env.update({f"HELM_{kind}_HOME": str(self.folder / kind.lower())
                    for kind in ("CACHE", "CONFIG", "DATA")})
        if kubeconfig:
            env["KUBECONFIG"] = str(kubeconfig)
        return subprocess.Popen([self.program, *map(str, arguments)], env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments, check=True, kubeconfig=None):
        process = self.start(*arguments, kubeconfig=kubeconfig)
        output, error = process.communicate(timeout=600)
        if check and process.returncode != 0:
            raise AssertionError(f"helm {' '.join(map(str, arguments))}: {error or output}")
        return subprocess.CompletedProcess(arguments, process.returncode, output, error)

    def file(self, values):
        self._number += 1
        path = self.folder / f"values-{self._number}.yaml"
        path.write_text(json.dumps(values))
        return path

    def render(self, values, *flags):
        """The objects by (kind, name)."""
        text = self.run("template", "burst", CHART, "-n", "aci", "-f", self.file(values), *flags).stdout
        return {(one["kind"], one["metadata"]["name"]): one
                for one in yaml.safe_load_all(text) if one}

    def refusal(self, values):
        """What helm says of values that it does not take."""
        run = self.run("template", "burst", CHART, "-f", self.file(values), check=False)
        assert run.returncode != 0, run.stdout
        return run.stderr


@pytest.fixture(scope="session", name="helm")
def _helm(tmp_path_factory):
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session", name="world")
def _world(request):
    given = request.config.getoption("--world")
    folder = pathlib.Path(given or tempfile.mkdtemp(prefix="aci-kubelet-chart."))
    world = ChartWorld(folder, pathlib.Path(request.config.getoption("--programs")).resolve())
    try:
        world.up()
        yield world
    finally:
        world.down()
        if not given and not request.session.testsfailed:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed case shows what the programs said."""
    outcome = yield
    report = outcome.get_result()
    machine = item.funcargs.get("machine") if hasattr(item, "funcargs") else None
    if report.failed and machine is not None and call.when == "call":
        report.sections.append(("the chart's containers", machine.logs()))
