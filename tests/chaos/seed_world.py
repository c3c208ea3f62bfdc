# SPDX-License-Identifier: Apache-2.0
"""One seed's world beside the others: its emulator, its kubelet, its proxy, its namespace and its node;
the control plane and the network are shared. Everything is asked from outside, over HTTP."""

import base64
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.parse

from api_proxy import ApiProxy

TESTS = pathlib.Path(__file__).resolve().parents[1]
ADDRESS_CONTROL_PLANE, ADDRESS_NODE, ADDRESS_ACI = "10.240.0.1", "10.240.0.2", "10.240.0.3"
API_PORT = 6443
API_VERSION = "2025-09-01"


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


class Http:
    """JSON over one connection that is opened again when it was lost."""

    def __init__(self, host, port, context=None, headers=None):
        self.where, self.context = (host, port), context
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.connection = None

    def call(self, method, path, body=None, timeout=20, **headers):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        if self.connection is None:
            self.connection = (
                http.client.HTTPSConnection(*self.where, context=self.context, timeout=timeout)
                if self.context else http.client.HTTPConnection(*self.where, timeout=timeout))
        try:
            self.connection.request(method, path, data, {
                **self.headers, **{key.replace("_", "-"): value for key, value in headers.items()}})
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.will_close:
                self.close()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.status >= 300:
            raise Refused(answer.status, text.decode(errors="replace"))
        return json.loads(text) if text.strip() else None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def admin_client(kubeconfig):
    """Straight to the API server, past every proxy."""
    text = kubeconfig.read_text()
    authority, certificate, key = (
        base64.b64decode(re.search(name + r": *(\S+)", text)[1]) for name in
        ("certificate-authority-data", "client-certificate-data", "client-key-data"))
    context = ssl.create_default_context(cadata=authority.decode())
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)
    return Http(ADDRESS_CONTROL_PLANE, API_PORT, context)


class Program:
    """A process that a script of tests/world started and noted down."""

    def __init__(self, folder, name):
        self.pid_file, self.log = folder / f"run/{name}.pid", folder / f"log/{name}.log"
        self.started = None
        self.child = None

    def pid(self):
        return int(self.pid_file.read_text().split()[0])

    def is_alive(self):
        try:
            stat = pathlib.Path(f"/proc/{self.pid()}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return False
        return stat[0] != "Z"

    def signal(self, number):
        os.kill(self.pid(), number)

    def kill(self):
        """-9. What it was started with is kept for start()."""
        process = pathlib.Path(f"/proc/{self.pid()}")
        arguments = (process / "cmdline").read_bytes().split(b"\0")[:-1]
        variables = dict(one.split(b"=", 1) for one in
                         (process / "environ").read_bytes().split(b"\0") if b"=" in one)
        self.started = (arguments, variables)
        self.signal(signal.SIGKILL)
        if self.child:
            self.child.wait()
        while self.is_alive():
            time.sleep(0.01)

    def start(self):
        """Again, as before; its log goes on."""
        arguments, variables = self.started
        with open(self.log, "ab") as log:
            log.write(b"--- started again ---\n")
            log.flush()
            self.child = subprocess.Popen(arguments, env=variables, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True)
        # As tests/lib/processes.sh notes it down, so that the end of the world finds it.
        stat = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.pid_file.write_text(f"{self.child.pid} {stat[19]}\n")


class SeedWorld:
    def __init__(self, plan, name, base, folder, programs, slot):
        self.plan, self.base, self.folder, self.programs = plan, base, folder, programs
        self.namespace, self.node = name, f"{name}-node"
        self.ports = {"aci": 20000 + slot, "control": 21000 + slot, "kubelet": 22000 + slot,
                      "proxy": 23000 + slot}
        self.values = self._environment()
        self.api = admin_client(base / "control-plane/admin.kubeconfig")
        self.control = self.control_client()
        self.kubelet = Program(folder, "aci-kubelet")
        self.emulator = Program(folder, "aci-emulator")
        self.proxy = ApiProxy(plan.proxy, (ADDRESS_CONTROL_PLANE, self.ports["proxy"]),
                              (ADDRESS_CONTROL_PLANE, API_PORT), base / "control-plane/pki")
        self.arm = None

    @staticmethod
    def _environment():
        """The shell variables of environment.sh, so that they are written down once."""
        out = subprocess.run(
            ["bash", "-c", f". {TESTS}/world/environment.sh; for v in SUBSCRIPTION RESOURCE_GROUP "
             'TENANT CLIENT SECRET LOCATION; do echo "$v=${!v}"; done'],
            check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in out.split())

    # --- life ---------------------------------------------------------------------------------

    def script(self, *arguments, **variables):
        env = dict(os.environ, PROGRAMS=str(self.programs), WORLD_NODE=self.node, PORT_ACI=str(self.ports["aci"]),
                   PORT_ACI_CONTROL=str(self.ports["control"]), PORT_KUBELET=str(self.ports["kubelet"]),
                   **variables)
        subprocess.run([str(TESTS / "world" / arguments[0]), *map(str, arguments[1:])], env=env,
                       check=True, timeout=120, stdout=subprocess.DEVNULL)

    def start_emulator(self):
        self.folder.mkdir(parents=True)
        (self.folder / "netns").write_text((self.base / "netns").read_text())
        self.script("emulator", "up", self.folder, "--engine", "simulated", "--arm-buckets", "on",
                    "--create-limits", "100/5m,300/1h", *self.plan.emulator_flags)
        context = ssl.create_default_context(cafile=str(self.folder / "aci/ca.crt"))
        self.arm = Http(ADDRESS_ACI, self.ports["aci"], context)

    def start_kubelet(self):
        self.proxy.start()
        config = self.folder / "kubelet.kubeconfig"
        text = (self.base / "kubelet.kubeconfig").read_text()
        config.write_text(text.replace(f":{API_PORT}", f":{self.ports['proxy']}"))
        serving, clients = self.base / "control-plane/nodes/chaos", self.folder / "kubelet"
        clients.mkdir()
        (clients / "ca.crt").write_text((serving / "ca.crt").read_text())
        flags = [*self.plan.kubelet_flags, "--tls-cert-file", serving / "kubelet.crt",
                 "--tls-private-key-file", serving / "kubelet.key"]
        if self.plan.has_cluster_id:
            flags += ["--cluster-id", self.cluster()]
        self.script("kubelet", "up", self.folder, "--v", "3", "--orphan-sweep-interval", "2s", *flags,
                    KUBECONFIG=str(config), NODE_IP=ADDRESS_NODE)

    def stop(self):
        """Nothing of this seed is left to work for the control plane, or for the machine."""
        for program in ("kubelet", "emulator"):
            self.script(program, "down", self.folder,
                        **({"KUBECONFIG": "none"} if program == "kubelet" else {}))
        if self.proxy.server:
            self.proxy.close()
        for pod in self.pods():
            if pod["metadata"].get("finalizers"):
                self.finish(pod["metadata"]["name"])
        for path in (f"/api/v1/namespaces/{self.namespace}/pods", f"/api/v1/nodes/{self.node}",
                     f"/api/v1/namespaces/{self.namespace}"):
            try:
                self.api.call("DELETE", path, {"gracePeriodSeconds": 0})
            except Refused as error:
                if error.status != 404:
                    raise

    # --- Kubernetes ---------------------------------------------------------------------------

    def cluster(self):
        return self.api.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]

    def make_namespace(self):
        self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        for _ in range(600):
            try:
                return self.api.call("GET", account)
            except Refused:
                time.sleep(0.1)
        raise AssertionError(f"{account} never came")

    def _pods(self, name=""):
        return f"/api/v1/namespaces/{self.namespace}/pods" + (f"/{name}" if name else "")

    def pods(self):
        return self.api.call("GET", self._pods())["items"]

    def create_pod(self, pod):
        return self.api.call("POST", self._pods(), pod)["metadata"]["uid"]

    def delete_pod(self, name, uid=None, grace=None):
        """uid: that pod or none."""
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        if uid:
            options["preconditions"] = {"uid": uid}
        self.api.call("DELETE", self._pods(name), options)

    def patch_pod(self, name, patch):
        self.api.call("PATCH", self._pods(name), patch,
                      Content_Type="application/merge-patch+json")

    def finish(self, name):
        self.patch_pod(name, {"metadata": {"finalizers": None}})

    def create_config(self, name):
        self.api.call("POST", f"/api/v1/namespaces/{self.namespace}/configmaps",
                      {"metadata": {"name": name}, "data": {"key": "value"}})

    def is_node_ready(self):
        status = self.api.call("GET", f"/api/v1/nodes/{self.node}")["status"]
        return any(one["type"] == "Ready" and one["status"] == "True"
                   for one in status.get("conditions", []))

    # --- ACI ----------------------------------------------------------------------------------

    def control_client(self):
        return Http("127.0.0.1", self.ports["control"])

    def groups(self):
        return self.control.call("GET", "/groups")["groups"]

    def stats(self):
        return self.control.call("GET", "/stats")

    def order_fault(self, operation=None, group=None, count=1, **action):
        fault = {"count": count, "action": action}
        for key, value in (("operation", operation), ("group", group)):
            if value:
                fault[key] = value
        self.control.call("POST", "/faults", fault)

    def clear_faults(self):
        self.control.call("DELETE", "/faults")

    def order_incident(self, incident, group):
        self.control.call("POST", "/incidents", {"incident": incident, "group": group})

    def arm_call(self, method, group, body=None):
        """As somebody else of the same subscription."""
        value = self.values
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": value["CLIENT"],
            "client_secret": value["SECRET"], "scope": "https://management.azure.com/.default"})
        token = self.arm.call("POST", f"/{value['TENANT']}/oauth2/v2.0/token", form.encode(),
                              Content_Type="application/x-www-form-urlencoded")["access_token"]
        return self.arm.call(
            method, f"/subscriptions/{value['SUBSCRIPTION']}/resourceGroups/"
            f"{value['RESOURCE_GROUP']}/providers/Microsoft.ContainerInstance/containerGroups/"
            f"{group}?api-version={API_VERSION}", body, Authorization=f"Bearer {token}")

    def plant_group(self, name, tags):
        resources = {"requests": {"cpu": 1, "memoryInGB": 1}}
        self.arm_call("PUT", name, body={
            "location": self.values["LOCATION"], "tags": tags,
            "properties": {"osType": "Linux", "containers": [
                {"name": "main", "properties": {"image": "simulated:1", "command": ["serve"],
                                                "resources": resources}}]}})
