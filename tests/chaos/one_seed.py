# SPDX-License-Identifier: Apache-2.0
"""Does to one world what the plan of its seed says, lets it settle, and looks. Ends with 0 when all
holds, with 3 and what does not when it does not; the timeline is left in FOLDER.timeline."""

import argparse
import http.client
import pathlib
import signal
import sys
import threading
import time

import audit
from invariants import (Record, Sightings, group_name, never, not_yet, tags_of, too_many_refused)
from plan import KINDS, Plan
from seed_world import Refused, SeedWorld

STABLE_SECONDS = 2.5
FINALIZER = "tests.example.com/held"


class Watchman(threading.Thread):
    """Looks at the groups all the time."""

    def __init__(self, world, sightings):
        super().__init__(daemon=True)
        self.control, self.sightings, self.ended = world.control_client(), sightings, threading.Event()

    def run(self):
        while not self.ended.wait(0.25):
            try:
                self.sightings.see(self.control.call("GET", "/groups", timeout=2)["groups"])
            except (OSError, http.client.HTTPException):
                # The emulator may be frozen.
                pass


class Run:
    def __init__(self, world, timeline, patience):
        self.world, self.plan, self.timeline = world, world.plan, timeline
        self.patience = patience
        self.records, self.by_name = {}, {}  # UID -> Record; name -> the newest
        self.sightings, self.planted = Sightings(), {}
        self.wants_kubelet = True
        self.breaches = []
        self._begin()

    def _begin(self):
        self.began, self.began_wall = time.monotonic(), time.time()

    def note(self, text):
        self.timeline.write(f"{time.monotonic() - self.began:7.2f} {text}\n")
        self.timeline.flush()

    # --- before -------------------------------------------------------------------------------

    def prepare(self):
        world = self.world
        world.start_emulator()
        self.cluster = world.cluster()
        self.plant()
        # Some pods are refused for good.
        world.order_fault("ContainerGroups_CreateOrUpdate", f"{world.namespace}-wrong-*", 0,
                          status=400, code="InvalidRequestContent", message="Never.")
        world.make_namespace()
        world.start_kubelet()

    def plant(self):
        """Groups that are none of this kubelet's business, and one that is: it has no pod."""
        world, node, space = self.world, self.world.node, self.world.namespace
        ours = self.cluster
        for name, tags in {
                "somebody-s": {}, "with-tags": {"team": "web"},
                group_name(space, "serve-1", "u1"): tags_of("other", node, space, "serve-1", "u1"),
                group_name(space, "serve-2", "u2"): tags_of(ours, "other", space, "serve-2", "u2"),
                "later-format": {**tags_of(ours, node, space, "serve-3", "u3"),
                                 "aci-kubelet-format": "2"}}.items():
            world.plant_group(name, tags)
            self.planted[name] = None
        for group in world.groups():
            self.planted[group["name"]] = (group["uid"], group["generation"], group["puts"])
        world.plant_group(group_name(space, "left-over", "u4"),
                          tags_of(ours, node, space, "left-over", "u4"))

    # --- steps --------------------------------------------------------------------------------

    def follow(self):
        self._begin()
        for step in self.plan.steps:
            time.sleep(max(0, self.began + step.at - time.monotonic()))
            self.check_kubelet()
            result = "done"
            try:
                result = getattr(self, "do_" + step.action.replace("-", "_"))(**step.arguments) \
                    or result
            except Refused as error:
                # A plan does not know what became of what it did; the API server does.
                result = f"refused: {error}"
                if error.status not in (404, 409):
                    raise
            except OSError as error:
                result = f"no answer: {error}"
            self.note(f"[{step}] {result}")
        time.sleep(max(0, self.began + self.plan.seconds - time.monotonic()))

    def check_kubelet(self):
        if self.wants_kubelet and not self.world.kubelet.is_alive():
            self.breach("the kubelet died, and nobody killed it")
            self.wants_kubelet = False

    def breach(self, text):
        self.breaches.append(text)
        self.note(f"BREACH: {text}")

    def do_create(self, name, kind, grace, finalizer=False):
        command, policy, ends = KINDS[kind]
        container = {"name": "main", "image": "simulated:1", "command": command.split(),
                     "resources": {"requests": {"cpu": "500" if kind == "huge" else "250m"}}}
        if kind in ("late", "poor"):
            container["envFrom"] = [{"configMapRef": {"name": name}}]
        pod = {"metadata": {"name": name, "finalizers": [FINALIZER] if finalizer else []},
               "spec": {"nodeName": self.world.node, "restartPolicy": policy,
                        "terminationGracePeriodSeconds": grace,
                        "tolerations": [{"operator": "Exists"}], "containers": [container]}}
        uid = self.world.create_pod(pod)
        self.by_name[name] = self.records[uid] = Record(name, uid, kind, ends, finalizer)
        return f"uid {uid}, group {group_name(self.world.namespace, name, uid)}"

    def do_delete(self, name):
        self._delete(name, None)

    def do_force_delete(self, name):
        self._delete(name, 0)

    def _delete(self, name, grace):
        record = self.by_name.get(name)
        if record:
            record.is_deleted = True
        self.world.delete_pod(name, record.uid if record else None, grace)

    def do_finish(self, name):
        record = self.by_name[name]
        self.world.finish(name)
        record.is_held = False

    def do_label(self, name, value):
        self.world.patch_pod(name, {"metadata": {"labels": {"chaos": value}}})

    def do_config(self, name):
        self.world.create_config(name)

    def do_kill_kubelet(self):
        if not self.wants_kubelet:
            return "is dead"
        self.wants_kubelet = False
        self.world.kubelet.kill()
        return None

    def do_start_kubelet(self):
        if self.wants_kubelet:
            return "runs"
        self.world.kubelet.start()
        self.wants_kubelet = True
        return None

    def do_freeze_kubelet(self):
        self.world.kubelet.signal(signal.SIGSTOP)

    def do_thaw_kubelet(self):
        self.world.kubelet.signal(signal.SIGCONT)

    def do_freeze_arm(self):
        self.world.emulator.signal(signal.SIGSTOP)

    def do_thaw_arm(self):
        self.world.emulator.signal(signal.SIGCONT)

    def do_arm_fault(self, operation=None, count=1, **action):
        self.world.order_fault(operation, None, count, **action)

    def do_arm_heal(self):
        self.world.clear_faults()
        self.world.order_fault("ContainerGroups_CreateOrUpdate",
                               f"{self.world.namespace}-wrong-*", 0, status=400,
                               code="InvalidRequestContent", message="Never.")

    def do_api_fault(self, target, count, **action):
        self.world.proxy.order(target, count, **action)

    def do_api_heal(self):
        self.world.proxy.heal()

    def _group_of(self, name):
        record = self.by_name.get(name)
        group = record and group_name(self.world.namespace, name, record.uid)
        there = group and group in {one["name"] for one in self.world.groups()}
        return record, group if there else None

    def do_delete_outside(self, name):
        record, group = self._group_of(name)
        if not group:
            return "has no group"
        record.removed += 1
        self.world.order_incident("delete", group)
        return None

    def do_restart_outside(self, name):
        record, group = self._group_of(name)
        if not group:
            return "has no group"
        record.restarted += 1
        self.world.order_incident("restart", group)
        return None

    def do_hide(self, name, count):
        self.world.order_fault("ContainerGroups_ListByResourceGroup",
                               f"{self.world.namespace}-{name}*", count, hide=True)

    def do_expire_tokens(self):
        self.world.control.call("DELETE", "/tokens")

    def do_quota(self, groups):
        self.world.control.call("POST", "/quotas", {"groups": groups})

    # --- after --------------------------------------------------------------------------------

    def heal(self):
        self.do_thaw_arm()
        self.world.clear_faults()
        self.world.proxy.heal()
        self.do_quota(100)
        self.do_start_kubelet()
        self.do_thaw_kubelet()
        self.note("all is well again")

    def look(self):
        """(what may still come, what may never be)"""
        world = self.world
        pods, groups = world.pods(), world.groups()
        self.sightings.see(groups)
        later = list(not_yet(pods, groups, self.records, self.cluster, world.node))
        if not world.is_node_ready():
            later.append("the node is not Ready")
        wrong = list(never(groups, self.sightings, self.records, world.namespace, self.planted))
        wrong += too_many_refused(world.stats())
        return later, wrong

    def settle(self):
        """True when everything holds and goes on to hold."""
        began, good_since = time.monotonic(), None
        while True:
            try:
                later, wrong = self.look()
            except (OSError, http.client.HTTPException, Refused) as error:
                # Of a machine that is busy; who does not answer for good is a breach.
                later, wrong = [f"no answer: {error}"], []
            self.check_kubelet()
            now = time.monotonic()
            if wrong or self.breaches:
                for one in wrong:
                    self.breach(one)
                return False
            if later:
                good_since = None
            elif good_since is None:
                good_since = now
                self.note(f"all holds {now - began:.1f} s later")
            elif now - good_since >= STABLE_SECONDS:
                return True
            if later and now - began > self.patience:
                for one in later:
                    self.breach(f"after {self.patience} s: {one}")
                return False
            time.sleep(0.3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--base", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--name", required=True, help="of the namespace")
    parser.add_argument("--patience", type=int, required=True,
                        help="seconds for everything to become as it should")
    args = parser.parse_args()
    plan = Plan(args.seed)
    world = SeedWorld(plan, args.name, args.base, args.folder, args.programs, args.slot)
    args.folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{args.folder}.timeline", "w", encoding="utf-8") as timeline:
        run = Run(world, timeline, args.patience)
        try:
            run.prepare()
            watchman = Watchman(world, run.sightings)
            watchman.start()
            run.follow()
            run.heal()
            good = run.settle()
            watchman.ended.set()
            watchman.join()
        finally:
            for fault in world.proxy.struck:
                run.note(f"at the proxy: {fault}")
            if run.breaches:
                for write in audit.writes(args.base / "audit.log", args.name, run.began_wall):
                    run.note(write)
            world.stop()
    for breach in run.breaches:
        print(breach)
    sys.exit(0 if good else 3)


if __name__ == "__main__":
    main()
