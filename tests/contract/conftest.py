# SPDX-License-Identifier: Apache-2.0
"""The emulators of a run, and a verdict on all that was said to them: a test also fails when one of
its exchanges disagrees with the published description or gives a secret away."""

import os
import pathlib
import shutil
import tempfile

import pytest

import bodies
import conformance
import emulator
from clients import Rest, management


def pytest_addoption(parser):
    parser.addoption("--programs", default=str(emulator.TESTS.parent / "build/dev"),
                     help="folder of aci-emulator")
    parser.addoption("--folder", default=None, help="what the run writes; kept afterwards")


@pytest.fixture(scope="session", name="folder")
def _folder(request):
    given = request.config.getoption("--folder")
    folder = pathlib.Path(given or tempfile.mkdtemp(prefix="aci-kubelet-contract."))
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    if not given and not request.session.testsfailed:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", name="programs")
def _programs(request):
    return pathlib.Path(request.config.getoption("--programs")).resolve()


@pytest.fixture(scope="session", name="services")
def _services():
    """Every emulator of the run: what is said to each is judged."""
    return []


@pytest.fixture(scope="session", name="start_emulator")
def _start_emulator(folder, programs, services):
    """start(NAME, FLAG...): one more emulator with simulated containers; ends with the run."""
    pki = folder / "pki"
    emulator.make_certificates(pki)
    running = []

    def start(name, *flags):
        process = emulator.Process(programs / "aci-emulator", folder / name, pki, *flags)
        running.append((name, process))
        services.append(process.service)
        return process.service

    yield start
    ended = {name: process.stop() for name, process in running}
    assert not any(ended.values()), f"exit codes of the emulators: {ended}"


@pytest.fixture(scope="session", name="simulated")
def _simulated(start_emulator):
    return start_emulator("simulated", "--page-size", "2")


@pytest.fixture(scope="session", name="world")
def _world(folder, programs, services):
    """Real containers: needs root, as tests/world does."""
    world = emulator.World(programs, folder / "world")
    services.append(world.service)
    yield world.service
    world.stop()


@pytest.fixture(autouse=True)
def _verdict(services):
    """Judges what was exchanged with the emulators since the last verdict: each exchange once."""
    yield
    wrong = []
    for service in services:
        for exchange in service.unjudged():
            wrong += [f"{exchange}: {line}"
                      for line in conformance.exchange_problems(exchange, bodies.SECRETS)]
    assert not wrong, "the wire disagrees with the description:\n" + "\n".join(wrong)


@pytest.fixture(name="rest")
def _rest(simulated):
    return Rest(simulated)


@pytest.fixture(name="sdk", params=conformance.published.VERSIONS)
def _sdk(request, simulated):
    """The Python SDK, once for each api-version."""
    with management(simulated, request.param) as client:
        yield client


@pytest.fixture(name="group")
def _group(request, simulated):
    """The name of a container group that is gone when the test ends."""
    name = bodies.name_of(request.node.name)
    yield name
    Rest(simulated).delete_group(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what went over the wire and what the emulator said."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed or call.when == "setup":
        return
    for service in item.funcargs.get("services", ()):
        exchanges = service.recorder.exchanges()[-15:]
        report.sections.append((f"{service.url}: last exchanges", "\n".join(
            f"{exchange} {exchange.body[:500].decode(errors='replace')}" for exchange in exchanges)))
        lines = service.log.read_text(errors="replace").splitlines()[-15:]
        report.sections.append((f"{service.log}, its end", "\n".join(lines)))


def pytest_report_header(config):
    return f"programs: {os.path.abspath(config.getoption('--programs'))}"
