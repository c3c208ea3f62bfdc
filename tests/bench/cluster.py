# SPDX-License-Identifier: Apache-2.0
"""What the benchmark reads from outside: the API server over HTTPS, the emulator's control port,
/proc. Needs nothing but Python, so that little of the machine goes into the measuring."""

import base64
import collections
import http.client
import json
import os
import re
import ssl
import tempfile
import threading
import time
import urllib.parse


def kubeconfig(path):
    """Address and TLS context of a kubeconfig with inlined data, as tests/controlplane writes it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    data = {k: base64.b64decode(re.search(k + r": *(\S+)", text)[1])
            for k in ("certificate-authority-data", "client-certificate-data", "client-key-data")}
    context = ssl.create_default_context(cadata=data["certificate-authority-data"].decode())
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(data["client-certificate-data"] + b"\n" + data["client-key-data"])
        pair.flush()
        context.load_cert_chain(pair.name)
    server = urllib.parse.urlsplit(re.search(r"server: *(\S+)", text)[1])
    return server.hostname, server.port, context


class Api:
    """One keep-alive connection."""

    def __init__(self, target):
        host, port, context = target
        self.connection = http.client.HTTPSConnection(host, port, context=context, timeout=120)

    def text(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body),
                                {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
        return answer.decode()

    def call(self, method, path, body=None):
        return json.loads(self.text(method, path, body))

    def requests(self):
        """What the API server has answered so far, by everybody: "PATCH pods/status 200" -> n."""
        counts = collections.Counter()
        for line in self.text("GET", "/metrics").splitlines():
            if not line.startswith("apiserver_request_total{"):
                continue
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] not in ("POST", "PUT", "PATCH", "DELETE"):
                continue
            what = labels["resource"] + ("/" + labels["subresource"] if labels["subresource"] else "")
            counts[f"{labels['verb']} {what} {labels['code']}"] += int(float(line.rsplit(" ", 1)[1]))
        return counts


class Watch(threading.Thread):
    """When each pod was first seen, first seen Running, and gone, by name; wall clock seconds."""

    def __init__(self, target, namespace):
        super().__init__(daemon=True)
        self.api, self.path = Api(target), f"/api/v1/namespaces/{namespace}/pods"
        self.seen, self.running, self.gone = {}, {}, {}
        self.changed = threading.Condition()
        self.version = self.api.call("GET", self.path + "?limit=1")["metadata"]["resourceVersion"]

    def run(self):
        # All pods of the namespace: an API server ends watches of one node's pods when ten events
        # wait for it, and this reader is slower than the kubelet. Should it end, it goes on.
        while True:
            query = urllib.parse.urlencode({"watch": 1, "resourceVersion": self.version,
                                            "allowWatchBookmarks": 1, "timeoutSeconds": 3600})
            self.api.connection.request("GET", f"{self.path}?{query}")
            response, rest = self.api.connection.getresponse(), b""
            # read1 hands out what has arrived; readline of a chunked answer may sit on it.
            while piece := response.read1(1 << 20):
                now = time.time()
                *lines, rest = (rest + piece).split(b"\n")
                self.take(map(json.loads, lines), now)

    def take(self, events, now):
        for event in events:
            pod = event["object"]
            self.version = pod["metadata"]["resourceVersion"]
            name = pod["metadata"].get("name")
            with self.changed:
                if event["type"] == "DELETED":
                    self.gone[name] = now
                elif event["type"] != "BOOKMARK":
                    self.seen.setdefault(name, now)
                    if pod.get("status", {}).get("phase") == "Running":
                        self.running.setdefault(name, now)
                self.changed.notify_all()

    def wait(self, what, names, seconds):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not all(name in what for name in names):
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    missing = sum(name not in what for name in names)
                    raise RuntimeError(f"{missing} of {len(names)} pods missing after {seconds} s")


class Process:
    """A process as /proc sees it."""

    def __init__(self, pid):
        self.folder = f"/proc/{pid}"

    def _read(self, name):
        with open(f"{self.folder}/{name}", encoding="utf-8") as file:
            return file.read()

    def cpu_seconds(self):
        stat = self._read("stat").rsplit(") ", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, key="VmRSS"):
        """VmRSS: now; VmHWM: the most since the start or the last forget_peak."""
        return round(int(re.search(key + r":\s+(\d+)", self._read("status"))[1]) / 1024, 1)

    def forget_peak(self):
        with open(f"{self.folder}/clear_refs", "w", encoding="utf-8") as file:
            file.write("5")


class Control:
    """The emulator's control port."""

    def __init__(self, address):
        self.address = address

    def get(self, path):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())

    def stats(self):
        stats = self.get("/stats")
        return {"operations": stats["operations"], "throttled": sum(stats["throttled"].values()),
                "groups": stats["groups"]}

    def groups(self):
        """Pod -> its group; times are nanoseconds of the wall clock."""
        return {group["tags"]["aci-kubelet-pod"]: group for group in self.get("/groups")["groups"]}
