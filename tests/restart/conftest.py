# SPDX-License-Identifier: Apache-2.0
"""One world for the whole session, one Kubernetes namespace for each case."""

import pathlib
import shutil
import sys
import tempfile
import zlib

import kubernetes
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from polling import eventually
from simulated import SimulatedWorld, pod
from world import TESTS


def pytest_addoption(parser):
    parser.addoption("--programs", default=str(TESTS.parent / "build/crash"),
                     help="folder of aci-kubelet, built with VK_CRASH_POINTS, and aci-emulator")
    parser.addoption("--full", action="store_true", help="also what takes long")
    parser.addoption("--world", default=None, help="folder of the run; kept afterwards")


@pytest.fixture(scope="session", name="world")
def _world(request):
    given = request.config.getoption("--world")
    folder = pathlib.Path(given or tempfile.mkdtemp(prefix="aci-kubelet-restart."))
    world = SimulatedWorld(folder, pathlib.Path(request.config.getoption("--programs")).resolve())
    try:
        world.up()
        yield world
    finally:
        world.down()
        if not given and not request.session.testsfailed:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", name="full")
def _full(request):
    return request.config.getoption("--full")


def _make_namespace(world, name):
    world.core.create_namespace(kubernetes.client.V1Namespace(
        metadata=kubernetes.client.V1ObjectMeta(name=name)))
    # A controller manager that lost the API server in the case before pauses for up to a minute.
    eventually(lambda: world.core.read_namespaced_service_account("default", name), 120,
               f"the default service account of {name}")


@pytest.fixture(name="namespace")
def _namespace(request, world):
    """What must hold at the end of every case, whatever happened in it, is asserted here. The name is
    short enough to be a prefix of its groups' names in full."""
    name = f"case-{zlib.crc32(request.node.name.encode()):08x}"
    _make_namespace(world, name)
    yield name
    world.clear_faults()
    # Not by the namespace: its controller looks at it only after 5 s.
    world.core.delete_collection_namespaced_pod(name)
    eventually(lambda: not world.pods(name), 60, f"no pod of {name} is left")
    eventually(lambda: not world.engine_groups(name), 90, f"no container group of {name} is left")
    puts = world.puts_of(name)
    # Where Azure refuses some, the case itself looks at them.
    if not request.node.get_closest_marker("refused_puts"):
        assert all(count <= 1 + world.deleted_outside[group] for group, count in puts.items()), \
            f"a PUT on a group that exists starts it again: {puts}"
    assert not world.events_told_twice(name)
    world.core.delete_namespace(name)


@pytest.fixture(scope="session", name="bystander")
def _bystander(world):
    """A group that runs from the first case to the last; what it is must never change."""
    _make_namespace(world, "bystander")
    world.apply("bystander", pod("kept", "serve"))

    def runs():
        groups = world.engine_groups("bystander")
        return groups if [g["starts"] for g in groups.values() if all(g["starts"])] else None

    return eventually(runs, 90, "the bystander runs")


@pytest.fixture(autouse=True)
def _nobody_else_is_touched(world, bystander):
    yield
    assert world.engine_groups("bystander") == bystander
    assert list(world.puts_of("bystander").values()) == [1]
    assert not world.events_told_twice("bystander")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed case shows what the programs said."""
    outcome = yield
    report = outcome.get_result()
    world = item.funcargs.get("world") if hasattr(item, "funcargs") else None
    if not report.failed or world is None:
        return
    for name in ("aci-kubelet.log.1", "aci-kubelet.log", "aci-emulator.log"):
        file = world.folder / "log" / name
        if file.exists():
            lines = file.read_text(errors="replace").splitlines()[-60:]
            report.sections.append((f"{file}, its end", "\n".join(lines)))
    namespace = item.funcargs.get("namespace")
    if namespace and call.when == "call":
        for what in (["get", "pods", "-o", "wide"], ["get", "events"]):
            run = world.kubectl(*what, "-n", namespace, check=False)
            report.sections.append((f"kubectl {' '.join(what)}", run.stdout + run.stderr))
