# SPDX-License-Identifier: Apache-2.0
"""Runs seeds, some at a time, in a world whose network and control plane are up already. A line for
each: `ok chaos seed N`, or `FAILED chaos seed N` with what does not hold. With --planted, a line
for each bug: `ok chaos finds BUG`, or `FAILED chaos finds BUG`."""

import argparse
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time

from plan import Plan

HERE = pathlib.Path(__file__).resolve().parent
BREACH = 3  # what one_seed.py ends with when something does not hold
BUGS = ["blind-put-retry", "sweep-unsynced", "name-not-uid", "dropped-delete"]


def plans_depend_on_the_seed_alone(seeds):
    """Another process, whose hashes are salted otherwise, decides the same."""
    code = "import sys; from plan import Plan; print(*[Plan(int(n)).digest() for n in sys.argv[1:]])"
    said = subprocess.run([sys.executable, "-c", code, *map(str, seeds)], cwd=HERE, check=True,
                          capture_output=True, text=True, env={"PYTHONHASHSEED": "1"}).stdout
    return said.split() == [Plan(seed).digest() for seed in seeds]


class Seeds:
    """finished(seed, seconds, run, timeline): called for one at a time; True: begin no others."""

    def __init__(self, args, finished, prefix="chaos", patience=120, **variables):
        self.args, self.finished, self.prefix, self.patience = args, finished, prefix, patience
        self.env = dict(os.environ, **variables)
        self.todo, self.lock = queue.SimpleQueue(), threading.Lock()
        self.is_enough = False
        for seed in args.seeds:
            self.todo.put(seed)

    def run(self):
        threads = [threading.Thread(target=self._work, args=(slot,))
                   for slot in range(self.args.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, slot):
        while not self.is_enough:
            try:
                self._run_one(self.todo.get_nowait(), slot)
            except queue.Empty:
                return

    def _run_one(self, seed, slot):
        args, began, name = self.args, time.monotonic(), f"{self.prefix}-{seed}"
        folder = args.base / "seeds" / name
        run = subprocess.run(
            [sys.executable, str(HERE / "one_seed.py"), f"--seed={seed}", f"--name={name}",
             f"--base={args.base}", f"--folder={folder}", f"--programs={args.programs}",
             f"--slot={slot}", f"--patience={self.patience}"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=self.env)
        with self.lock:
            took = time.monotonic() - began
            self.is_enough |= bool(self.finished(seed, took, run, f"{folder}.timeline"))


def look_for_faults(args):
    failed = []

    def finished(seed, seconds, run, timeline):
        took = f"({Plan(seed).digest()}, {seconds:.0f} s)"
        if run.returncode == 0:
            print(f"ok chaos seed {seed} {took}", flush=True)
        else:
            failed.append(seed)
            print(f"FAILED chaos seed {seed} {took}")
            for line in (run.stdout + run.stderr).splitlines()[-30:]:
                print(f"    {line}")
            print(f"    what was done: {timeline}; to do it again: tests/chaos/run --seed {seed}",
                  flush=True)
        if args.timeline:
            print(pathlib.Path(timeline).read_text(), flush=True)

    same = plans_depend_on_the_seed_alone(args.seeds)
    print(f"{'ok' if same else 'FAILED'} chaos: a plan depends on its seed alone", flush=True)
    Seeds(args, finished).run()
    return same and not failed


def look_for_bug(args, bug):
    found, broken = [], []

    def finished(seed, _seconds, run, _timeline):
        if run.returncode == BREACH:
            found.append((seed, run.stdout.splitlines()[0]))
        elif run.returncode != 0:
            broken.append(f"seed {seed} broke off: {run.stderr}")
        return found or broken

    prefix = "".join(word[0] for word in bug.split("-"))
    Seeds(args, finished, prefix, 60, ACI_KUBELET_PLANTED_BUG=bug).run()
    if found:
        print("ok chaos finds {}: seed {}, {}".format(bug, *found[0]), flush=True)
    else:
        broken.append(f"not with {len(args.seeds)} seeds")
        print(f"FAILED chaos finds {bug}: {broken[0]}", flush=True)
    return bool(found)


def seeds_of(text):
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=pathlib.Path, required=True)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=seeds_of, required=True)
    parser.add_argument("--jobs", type=int, default=5)
    parser.add_argument("--timeline", action="store_true")
    parser.add_argument("--planted", action="store_true")
    args = parser.parse_args()
    if args.planted:
        good = all([look_for_bug(args, bug) for bug in BUGS])
    else:
        good = look_for_faults(args)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
