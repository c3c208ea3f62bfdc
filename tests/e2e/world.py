# SPDX-License-Identifier: Apache-2.0
"""The world that the tests run in: the scripts of tests/world, and what can be asked of it."""

import ctypes
import json
import os
import pathlib
import signal
import ssl
import subprocess
import urllib.parse
import urllib.request

import kubernetes

from polling import eventually

TESTS = pathlib.Path(__file__).resolve().parents[1]
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter_network(path):
    """Moves this process, and what it starts from now on, into a network namespace."""
    with open(path, "rb") as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


class World:
    """Everything is a file or a process of one folder; see tests/world/environment.sh."""

    node = "virtual-kubelet"
    arm = "https://10.240.0.3:8443"
    control = "http://127.0.0.1:9443"
    node_address = "10.240.0.2"

    def __init__(self, folder, programs):
        self.folder = pathlib.Path(folder)
        self.programs = pathlib.Path(programs)
        self.values = self._environment()
        # Proxies of the machine are for the registries of packages, not for the world.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @staticmethod
    def _environment():
        """The shell variables of environment.sh, so that they are written down once."""
        out = subprocess.run(
            ["bash", "-c", f". {TESTS}/world/environment.sh; "
             "for v in SUBSCRIPTION RESOURCE_GROUP TENANT CLIENT SECRET LOCATION SUBNET REGISTRY "
             "PRIVATE_NAME PRIVATE_USER PRIVATE_PASSWORD; do "
             'echo "$v=${!v}"; done'],
            check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in out.split())

    # --- life ---------------------------------------------------------------------------------

    def script(self, name, *arguments, check=True, **variables):
        """A script of tests/world; variables are added to its environment."""
        env = dict(os.environ, PROGRAMS=str(self.programs), **variables)
        return subprocess.run([str(TESTS / "world" / name), *map(str, arguments)], env=env,
                              check=check, timeout=900)

    def up(self):
        self.script("up", self.folder)
        self.enter()

    def enter(self):
        """From here on this process is in the world's network and knows its control plane."""
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        name = (self.folder / "netns").read_text().strip()
        _enter_network(f"/run/netns/{name}")
        env = (self.folder / "control-plane/env").read_text()
        self.bin = pathlib.Path(env.split("CP_BIN=")[1].split()[0])
        self.kubeconfig = self.folder / "control-plane/admin.kubeconfig"
        client = kubernetes.config.new_client_from_config(str(self.kubeconfig))
        self.core = kubernetes.client.CoreV1Api(client)
        self.apps = kubernetes.client.AppsV1Api(client)
        self.authentication = kubernetes.client.AuthenticationV1Api(client)

    def down(self):
        # First out of the namespace: what is still in there is killed.
        if hasattr(self, "_outside"):
            _enter_network(f"/proc/self/fd/{self._outside}")
            os.close(self._outside)
        self.script("down", self.folder)

    def kubelet_pid(self):
        return int((self.folder / "run/aci-kubelet.pid").read_text().split()[0])

    def kill_kubelet(self):
        """kill -9, as the kernel or a node that dies would do it."""
        pid = self.kubelet_pid()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid), 60, f"aci-kubelet {pid} is gone")

    def start_kubelet(self, *flags):
        self.script("kubelet", "up", self.folder, *flags)

    def log(self, name):
        return (self.folder / f"log/{name}.log").read_text(errors="replace")

    # --- Kubernetes ---------------------------------------------------------------------------

    def kubectl(self, *arguments, check=True, stdin=None, timeout=240):
        run = subprocess.run(
            [str(self.bin / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if check and run.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {run.stderr or run.stdout}")
        return run

    def apply(self, namespace, *manifests):
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": manifests}))

    def pods(self, namespace, selector=None):
        return self.core.list_namespaced_pod(namespace, label_selector=selector).items

    def pod(self, namespace, name):
        return self.core.read_namespaced_pod(name, namespace)

    def events(self, namespace, name):
        return [event for event in self.core.list_namespaced_event(namespace).items
                if event.involved_object.name == name]

    # --- the pods' own network ----------------------------------------------------------------

    def fetch(self, address, port=80, path="/"):
        with self._opener.open(f"http://{address}:{port}{path}", timeout=30) as answer:
            return answer.read().decode()

    # --- ACI ----------------------------------------------------------------------------------

    def _json(self, url, body=None, headers=None, method=None):
        context = ssl.create_default_context(cafile=str(self.folder / "aci/ca.crt"))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=context))
        request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
        with opener.open(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def _token(self):
        value = self.values
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": value["CLIENT"],
            "client_secret": value["SECRET"], "scope": "https://management.azure.com/.default"})
        return self._json(f"{self.arm}/{value['TENANT']}/oauth2/v2.0/token",
                          form.encode())["access_token"]

    def arm_get(self, path):
        url = path if path.startswith("https://") else self.arm + path
        if "api-version=" not in url:
            url += "?api-version=2025-09-01"
        return self._json(url, headers={"Authorization": f"Bearer {self._token()}"})

    def arm_post(self, path):
        """An action on a resource, such as a group's /restart."""
        return self._json(f"{self.arm}{path}?api-version=2025-09-01", b"",
                          {"Authorization": f"Bearer {self._token()}"}, "POST")

    def groups(self):
        """Every container group that ARM lists, as any owner of the subscription sees them."""
        value = self.values
        page = self.arm_get(f"/subscriptions/{value['SUBSCRIPTION']}/resourceGroups/"
                            f"{value['RESOURCE_GROUP']}/providers/Microsoft.ContainerInstance/"
                            "containerGroups")
        found = page["value"]
        while page.get("nextLink"):
            page = self.arm_get(page["nextLink"])
            found += page["value"]
        return found

    def groups_of(self, namespace):
        return [group for group in self.groups()
                if namespace in (group.get("tags") or {}).values()]

    def control_get(self, path):
        return self._json(self.control + path)

    def control_post(self, path, body):
        return self._json(self.control + path, json.dumps(body).encode(),
                          {"Content-Type": "application/json"}, "POST")

    def control_delete(self, path):
        return self._json(self.control + path, method="DELETE")

    def puts(self):
        """How often ACI was asked to create each group: a PUT more restarts its containers."""
        return self.control_get("/stats")["groupPuts"]


def is_running(pid):
    """True while pid is a process; a zombie is none."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
