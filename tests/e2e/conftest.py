# SPDX-License-Identifier: Apache-2.0
"""One world for the whole session, one Kubernetes namespace for each test."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
import zlib

import kubernetes
import pytest

from polling import eventually
from world import TESTS, World


def pytest_addoption(parser):
    parser.addoption("--programs", default=str(TESTS.parent / "build/dev"),
                     help="folder of aci-kubelet and aci-emulator")
    parser.addoption("--full", action="store_true", help="also what takes long")
    parser.addoption("--world", default=None, help="folder of the run; kept afterwards")


@pytest.fixture(scope="session", name="world")
def _world(request):
    given = request.config.getoption("--world")
    folder = pathlib.Path(given or tempfile.mkdtemp(prefix="aci-kubelet-e2e."))
    world = World(folder, pathlib.Path(request.config.getoption("--programs")).resolve())
    try:
        world.up()
        yield world
    finally:
        world.down()
        if not given and not request.session.testsfailed:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", name="full")
def _full(request):
    """Whether what takes long is asked for, too."""
    return request.config.getoption("--full")


@contextlib.contextmanager
def _fresh_namespace(world, words):
    """Refuses pods that are not hardened; gone with all that is in it at the end."""
    # Readable, short enough, and another one for each case of a parametrized test.
    readable = re.sub(r"[^a-z0-9]+", "-", words.lower())[:40].strip("-")
    name = f"{readable}-{zlib.crc32(words.encode()):08x}"
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    world.core.create_namespace(kubernetes.client.V1Namespace(
        metadata=kubernetes.client.V1ObjectMeta(name=name, labels=labels)))
    # Pods are refused until the controllers made this account.
    eventually(lambda: world.core.read_namespaced_service_account("default", name), 90,
               f"the default service account of {name}")
    yield name
    world.core.delete_namespace(name)
    # Nobody waits for grace periods here; the namespace takes no new pods any more.
    world.core.delete_collection_namespaced_pod(name, grace_period_seconds=0)
    # The namespace itself goes some seconds later: its controller looks only now and then.
    eventually(lambda: not world.pods(name), 60, f"no pod of {name} is left")
    eventually(lambda: not world.groups_of(name), 90, f"no container group of {name} is left")


@pytest.fixture(name="namespace")
def _namespace(request, world):
    with _fresh_namespace(world, request.node.name) as name:
        yield name


@pytest.fixture(scope="module", name="shared_namespace")
def _shared_namespace(request, world):
    """One for all tests of a file."""
    with _fresh_namespace(world, pathlib.Path(request.module.__file__).stem) as name:
        yield name


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the programs said while it ran."""
    outcome = yield
    report = outcome.get_result()
    world = item.funcargs.get("world") if hasattr(item, "funcargs") else None
    if not report.failed or world is None:
        return
    for name in ("aci-kubelet", "aci-emulator"):
        file = world.folder / f"log/{name}.log"
        if file.exists():
            lines = file.read_text(errors="replace").splitlines()[-60:]
            report.sections.append((f"{file}, its end", "\n".join(lines)))
    namespace = item.funcargs.get("namespace")
    if namespace and call.when == "call":
        for what in (["describe", "pods"], ["get", "events", "--sort-by=.lastTimestamp"]):
            run = world.kubectl(*what, "-n", namespace, check=False)
            report.sections.append((f"kubectl {' '.join(what)}", run.stdout + run.stderr))


def pytest_report_header(config):
    return f"programs: {os.path.abspath(config.getoption('--programs'))}"
