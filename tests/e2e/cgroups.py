# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts for the containers of a world: the truth behind every figure."""

import hashlib
import pathlib
import threading
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
V1 = (ROOT / "cpuacct").exists()


def folder(world, pod, container="main"):
    """The control group of a container that runs, below the root of its hierarchy."""
    group = next(group for group in world.control_get("/groups")["groups"]
                 if pod.metadata.uid in (group["tags"] or {}).values())
    state = str((world.folder / "emulator").resolve())
    emulator = "aci" + hashlib.sha256(state.encode()).hexdigest()[:6]
    base = (ROOT / "cpuacct" if V1 else ROOT) / emulator
    found = sorted(base.glob(f"g{group['uid']}-{group['generation']}-*/{container}.*"),
                   key=lambda path: int(path.suffix[1:]))
    assert found, f"no control group of {pod.metadata.name} below {base}"
    return found[-1]


def cpu_seconds(path):
    if V1:
        return int((path / "cpuacct.usage").read_text()) / 1e9
    values = dict(line.split() for line in (path / "cpu.stat").read_text().splitlines())
    return int(values["usage_usec"]) / 1e6


def working_set(path):
    memory = ROOT / "memory" / path.relative_to(ROOT / "cpuacct") if V1 else path
    used = int((memory / ("memory.usage_in_bytes" if V1 else "memory.current")).read_text())
    values = dict(line.split() for line in (memory / "memory.stat").read_text().splitlines())
    return used - int(values["total_inactive_file" if V1 else "inactive_file"])


class Recorder:
    """Reads the CPU counters of containers all the time, to look up any moment later."""

    def __init__(self, paths):
        self._seen = {name: [] for name in paths}
        self._paths = paths
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(0.2):
            for name, path in self._paths.items():
                self._seen[name].append((time.time(), cpu_seconds(path)))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _at(self, name, moment):
        """The counter at a moment, between the two readings around it."""
        seen = self._seen[name]
        for before, after in zip(seen, seen[1:]):
            if before[0] <= moment <= after[0]:
                share = (moment - before[0]) / (after[0] - before[0])
                return before[1] + share * (after[1] - before[1])
        return None

    def rates(self, name, end, window):
        """CPUs used within the window before `end`, which is known to the second alone: the least
        and the most that it can mean. None while not all of it was recorded."""
        rates = []
        for shift in (-1.0, -0.5, 0.0, 0.5, 1.0):
            first, last = self._at(name, end + shift - window), self._at(name, end + shift)
            if first is None or last is None:
                return None
            rates.append((last - first) / window)
        return min(rates), max(rates)
