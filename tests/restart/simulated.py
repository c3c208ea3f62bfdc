# SPDX-License-Identifier: Apache-2.0
"""A world without containers: control plane, aci-emulator with the simulated engine, aci-kubelet.
No registry and no images, so that a kubelet dies and comes back in a second."""

import collections
import os
import pathlib
import signal
import subprocess

import kubernetes

from polling import eventually
from world import World, is_running

EMULATOR_FLAGS = ("--engine", "simulated", "--put-latency", "50ms", "--start-latency", "300ms")
# A run makes more groups than the service allows in so short a time.
KUBELET_FLAGS = ("--arm-limits", "off", "--create-limits", "off", "--delete-limits", "off",
                 "--orphan-sweep-interval", "2s", "--node-labels",
                 "topology.kubernetes.io/zone=zone-1,tests.example/tier=burst", "--v", "2")


def pod(name, *command, **fields):
    """What the simulated engine can do: `serve` runs, `exit N` ends at once, `sleep N` later."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": World.node, "tolerations": [{"operator": "Exists"}],
                     "containers": [{"name": "main", "image": "simulated:1",
                                     "command": list(command)}], **fields}}


# A delay that ends with clear_faults(), however long the test takes to get there.
HELD_MS = 600000


class SimulatedWorld(World):
    def up(self):
        # Group -> how often somebody else deleted it: so often it may be made again.
        self.deleted_outside = collections.Counter()
        self.script("network", "up", self.folder)
        netns = (self.folder / "netns").read_text().strip()
        self.script("../controlplane/up", self.folder / "control-plane",
                    NETNS=netns, ADDR="10.240.0.1", PORT="6443")
        self.script("emulator", "up", self.folder, *EMULATOR_FLAGS)
        self.script("kubelet", "up", self.folder, *KUBELET_FLAGS)
        self.enter()
        self.coordination = kubernetes.client.CoordinationV1Api(self.core.api_client)

    # --- the kubelet --------------------------------------------------------------------------

    def start_kubelet(self, *flags, crash_at=None, wait=True):
        """crash_at: see `aci-kubelet --list-crash-points`; such a kubelet may not live long enough
        to become ready."""
        variables = {"ACI_KUBELET_CRASH_AT": crash_at} if crash_at else {}
        self.script("kubelet", "up", self.folder, *KUBELET_FLAGS, *flags,
                    check=wait and not crash_at, CREDENTIALS="kept", **variables)

    def is_kubelet_dead(self):
        return not is_running(self.kubelet_pid())

    def kubelet_died_at(self, point):
        """A process that ends by an error of its own leaves another last line."""
        lines = self.log("aci-kubelet").splitlines()
        return bool(lines) and lines[-1] == f"crash point {point} reached"

    def restart_kubelet(self, *flags, **options):
        self.kill_kubelet()
        self.start_kubelet(*flags, **options)

    def freeze_kubelet(self):
        """It learns of nothing until it is thawed."""
        os.kill(self.kubelet_pid(), signal.SIGSTOP)

    def thaw_kubelet(self):
        os.kill(self.kubelet_pid(), signal.SIGCONT)

    # --- the API server -----------------------------------------------------------------------

    @property
    def _api_server_pid_file(self):
        return self.folder / "control-plane/run/apiserver.pid"

    def stop_api_server(self):
        pid = int(self._api_server_pid_file.read_text().split()[0])
        self._api_server = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self._api_server_answers(), 60, "the API server is gone")

    def start_api_server(self):
        log = open(self.folder / "control-plane/log/apiserver.log", "ab")
        with log:
            process = subprocess.Popen(self._api_server, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        # As tests/lib/processes.sh notes it down, so that the end of the world finds it.
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        self._api_server_pid_file.write_text(f"{process.pid} {stat[19]}\n")
        eventually(self._api_server_answers, 60, "the API server answers")

    def _api_server_answers(self):
        run = self.kubectl("get", "--raw", "/readyz", check=False)
        return run.returncode == 0

    # --- ACI ----------------------------------------------------------------------------------

    def engine_groups(self, namespace):
        """Group -> what the engine knows: the pod, the group's incarnation, its containers' starts."""
        return {group["name"]: {"pod": group["tags"]["aci-kubelet-pod"], "group": group["uid"],
                                "generation": group["generation"],
                                "starts": [one["startTime"] for one in group["containers"]]}
                for group in self.control_get("/groups")["groups"]
                if (group.get("tags") or {}).get("aci-kubelet-namespace") == namespace}

    def puts_of(self, namespace):
        """Group -> PUTs, also of groups that are gone."""
        return {name: count for name, count in self.puts().items()
                if name.startswith(namespace + "-")}

    def events_told_twice(self, namespace):
        """Each group that was made again has events of its own, with the same words."""
        told = collections.Counter(
            (event.involved_object.name, event.involved_object.uid, event.reason, event.message)
            for event in self.core.list_namespaced_event(namespace).items)
        most = 1 + max((count for group, count in self.deleted_outside.items()
                        if group.startswith(namespace + "-")), default=0)
        return [event for event, count in told.items() if count > most]

    def fault(self, operation, count=1, group=None, **action):
        where = {"group": group} if group else {}
        self.control_post("/faults", {"operation": operation, "count": count, "action": action,
                                      **where})

    def incident(self, what, group, **more):
        """Something happens to a group without a request of the kubelet."""
        if what == "delete":
            self.deleted_outside[group] += 1
        struck = self.control_post("/incidents", {"incident": what, "group": group, **more})
        assert struck == {"groups": [group]}

    def expire_tokens(self):
        self._json(self.control + "/tokens", method="DELETE")

    def clear_faults(self):
        """What was delayed goes on."""
        self._json(self.control + "/faults", method="DELETE")

    def requests(self, operation):
        return self.control_get("/stats")["operations"].get(operation, 0)
