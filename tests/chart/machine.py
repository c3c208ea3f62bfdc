# SPDX-License-Identifier: Apache-2.0
"""A machine of the cluster, as far as the chart's pods need one: a Node that the scheduler binds them to,
and a loop that does for them what a kubelet does. No image is pulled: what tests/image has built, or else
the program alone, runs with exactly the arguments, environment, service account token and security
context of the pod, at an address of its own."""

import base64
import datetime
import http.client
import pathlib
import subprocess
import threading

import kubernetes

from credentials import Port

HERE = pathlib.Path(__file__).resolve().parent
NAME = "machine"
HEARTBEAT_S = 8


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")


class Container:
    """The one container of a pod."""

    def __init__(self, machine, pod, address, folder):
        self.machine, self.pod, self.address = machine, pod, address
        self.spec = pod.spec.containers[0]
        self.port = Port(address, self.spec.ports[0].container_port) if self.spec.ports else None
        self.log = folder / "log"
        self.told = self.is_asked_to_end = False
        self.files = files = folder / "run"
        self._service_account(files / "secrets/kubernetes.io/serviceaccount")
        (files / "aci").mkdir(parents=True)
        (files / "aci/ca.crt").write_bytes((machine.world.folder / "aci/ca.crt").read_bytes())
        with open(self.log, "wb") as output:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                [str(HERE / "container"), str(files), *machine.program, *self.spec.args],
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT)

    def _service_account(self, folder):
        folder.mkdir(parents=True)
        meta = self.pod.metadata
        token = self.machine.core.create_namespaced_service_account_token(
            self.pod.spec.service_account_name, meta.namespace,
            {"spec": {"audiences": [], "expirationSeconds": 3600,
                      "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta.name,
                                         "uid": meta.uid}}}).status.token
        (folder / "token").write_text(token)
        (folder / "namespace").write_text(meta.namespace)
        authority = self.machine.core.read_namespaced_config_map("kube-root-ca.crt", meta.namespace)
        (folder / "ca.crt").write_text(authority.data["ca.crt"])

    def _value(self, entry):
        if entry.value_from is None:
            return entry.value or ""
        if entry.value_from.field_ref:
            return {"status.podIP": self.address,
                    "metadata.namespace": self.pod.metadata.namespace}[
                        entry.value_from.field_ref.field_path]
        ref = entry.value_from.secret_key_ref
        secret = self.machine.core.read_namespaced_secret(ref.name, self.pod.metadata.namespace)
        return base64.b64decode(secret.data[ref.key]).decode()

    def _environment(self):
        # The world has no Service addresses: the API server itself stands for them.
        return {"KUBERNETES_SERVICE_HOST": "10.240.0.1", "KUBERNETES_SERVICE_PORT": "6443",
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                **{entry.name: self._value(entry) for entry in self.spec.env}}

    def run(self, *arguments):
        """The same program beside it, as another container of the pod."""
        return subprocess.run(
            [str(HERE / "container"), str(self.files), *self.machine.program, *arguments],
            env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=240, check=False)

    def is_ready(self):
        if self.port is None:
            return True
        try:
            path = self.spec.readiness_probe.http_get.path
            return self.port.ask(path, timeout=10)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def status(self):
        code = self.process.poll()
        if code is not None and self.pod.spec.restart_policy == "Never":
            return {"phase": "Failed" if code else "Succeeded"}
        # One that ended is not started again: its log tells why.
        ready = "True" if code is None and self.is_ready() else "False"
        return {"phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}],
                "conditions": [{"type": kind, "status": ready, "lastTransitionTime": now()}
                               for kind in ("Ready", "ContainersReady")]}


class Machine:
    def __init__(self, world, folder, namespace, image=None):
        self.world, self.folder, self.namespace = world, folder, namespace
        self.program = (image, "/usr/bin/aci-kubelet") if image else \
            ("", str(world.programs / "aci-kubelet"))
        # A client of its own: the loop is a thread.
        client = kubernetes.config.new_client_from_config(str(world.kubeconfig))
        self.core = kubernetes.client.CoreV1Api(client)
        self.coordination = kubernetes.client.CoordinationV1Api(client)
        self.containers = {}
        self.ended = []
        self.error = None
        self._number = 0
        self._beat = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.core.create_node({
            "metadata": {"name": NAME, "labels": {"kubernetes.io/os": "linux",
                                                  "kubernetes.io/hostname": NAME}}})
        self.core.patch_node_status(NAME, {"status": {
            "capacity": {"cpu": "8", "memory": "8Gi", "pods": "50"},
            "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "50"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "",
                            "lastHeartbeatTime": now(), "lastTransitionTime": now()}]}})
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join(60)
        for container in self.containers.values():
            container.process.kill()
            container.process.wait()

    def container_at(self, address):
        return next(one for one in self.containers.values() if one.address == address)

    def logs(self):
        return "\n".join(f"--- {one.pod.metadata.name}\n{one.log.read_text(errors='replace')[-6000:]}"
                         for one in [*self.ended, *self.containers.values()])

    def _run(self):
        while not self._stop.wait(0.2):
            try:
                self._turn()
                self.error = None
            except (kubernetes.client.ApiException, OSError) as error:
                # Told if it stays: a pod may go at any moment.
                self.error = error

    def _turn(self):
        self._heartbeat()
        found = self.core.list_namespaced_pod(
            self.namespace, field_selector=f"spec.nodeName={NAME}").items
        for pod in found:
            self._sync(pod)
        for uid in set(self.containers) - {pod.metadata.uid for pod in found}:
            self.ended.append(self.containers.pop(uid))

    def _heartbeat(self):
        clock = datetime.datetime.now(datetime.timezone.utc)
        if self._beat and (clock - self._beat).total_seconds() < HEARTBEAT_S:
            return
        spec = {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": now()}
        if self._beat is None:
            self.coordination.create_namespaced_lease(
                "kube-node-lease", {"metadata": {"name": NAME}, "spec": spec})
        else:
            self.coordination.patch_namespaced_lease(NAME, "kube-node-lease", {"spec": spec})
        self._beat = clock

    def _sync(self, pod):
        meta = pod.metadata
        container = self.containers.get(meta.uid)
        if container is None:
            if meta.deletion_timestamp is None and pod.status.phase == "Pending":
                self.containers[meta.uid] = self._start(pod)
            return
        if meta.deletion_timestamp is not None and not container.is_asked_to_end:
            container.is_asked_to_end = True
            container.process.terminate()
        status = container.status()
        kept = {key: value for key, value in status.items() if key != "conditions"}
        seen = (kept, [entry["status"] for entry in status.get("conditions", [])])
        if seen != container.told:
            self.core.patch_namespaced_pod_status(meta.name, meta.namespace, {"status": status})
            container.told = seen
        if meta.deletion_timestamp is not None and container.process.poll() is not None:
            self.core.delete_namespaced_pod(meta.name, meta.namespace, grace_period_seconds=0)

    def _start(self, pod):
        self._number += 1
        address = f"10.240.1.{self._number}"
        subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True)
        folder = self.folder / f"{self._number}-{pod.metadata.name}"
        folder.mkdir(parents=True)
        return Container(self, pod, address, folder)
