# SPDX-License-Identifier: Apache-2.0
"""Bursts of pods through a real API server, measured from outside: the API server's watch, the
emulator's own times, /proc of aci-kubelet. Needs nothing but Python; started by `run`."""

import argparse
import base64
import http.client
import json
import os
import queue
import re
import ssl
import tempfile
import threading
import time
import urllib.parse

NAMESPACE = "default"
CREATORS = 8
PATIENCE = 240


def kubeconfig(path):
    """Address and TLS context of a kubeconfig with inlined data, as tests/controlplane writes it."""
    text = open(path, encoding="utf-8").read()
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

    def call(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body),
                                {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
        return json.loads(answer)


class Watch(threading.Thread):
    """When each pod was first seen Running and when it was gone, by name; wall clock seconds."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.api = Api(target)
        self.running, self.deleted, self.changed = {}, {}, threading.Condition()
        version = self.api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?limit=1")
        self.version = version["metadata"]["resourceVersion"]

    def run(self):
        # All pods of the namespace: an API server ends watches of one node's pods when ten events
        # wait for it, and this reader is slower than the kubelet. Should it end, it goes on.
        while True:
            query = urllib.parse.urlencode({"watch": 1, "resourceVersion": self.version,
                                            "allowWatchBookmarks": 1, "timeoutSeconds": 3600})
            self.api.connection.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?{query}")
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
                    self.deleted[name] = now
                elif pod.get("status", {}).get("phase") == "Running":
                    self.running.setdefault(name, now)
                self.changed.notify_all()

    def wait(self, seen, names, seconds):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not all(name in seen for name in names):
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    missing = sum(name not in seen for name in names)
                    raise RuntimeError(f"{missing} of {len(names)} pods missing after {seconds} s")


def process(pid):
    """Resident MB (now, highest) and CPU seconds of a process."""
    status = open(f"/proc/{pid}/status", encoding="utf-8").read()
    stat = open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(") ", 1)[1].split()
    rss, peak = (int(re.search(k + r":\s+(\d+)", status)[1]) / 1024 for k in ("VmRSS", "VmHWM"))
    return rss, peak, (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def control(address, path):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def pod(name, node):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 30,
                     "tolerations": [{"operator": "Exists"}],
                     "containers": [{"name": "main", "image": "burst:1", "command": ["serve"],
                                     "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}}}]}}


def percentiles(values):
    values = sorted(values)
    return {f"p{p}": round(values[min(len(values) - 1, len(values) * p // 100)] * 1000, 1)
            for p in (50, 95, 99)} | {"max": round(values[-1] * 1000, 1)}


def in_parallel(target, names, work):
    todo = queue.SimpleQueue()
    errors = []
    for name in names:
        todo.put(name)

    def worker():
        api = Api(target)
        try:
            while True:
                work(api, todo.get_nowait())
        except queue.Empty:
            pass
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=worker) for _ in range(CREATORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def growth(before, after):
    return {k: after[k] - before.get(k, 0) for k in sorted(after) if after[k] != before.get(k, 0)}


def burst(args, target, watch, count):
    names = [f"burst-{count}-{i:05d}" for i in range(count)]
    asked, stats, cpu = {}, control(args.control, "/stats"), process(args.pid)[2]

    def create(api, name):
        asked[name] = time.time()
        api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", pod(name, args.node))

    began = time.time()
    in_parallel(target, names, create)
    created = time.time()
    watch.wait(watch.running, names, PATIENCE)
    groups = {g["tags"]["aci-kubelet-pod"]: g for g in control(args.control, "/groups")["groups"]}
    put = {n: groups[n]["createTime"] / 1e9 for n in names}
    started = {n: groups[n]["containers"][0]["startTime"] / 1e9 for n in names}
    after, (rss, peak, cpu_after) = control(args.control, "/stats"), process(args.pid)
    result = {
        "pods": count,
        "all created by the client after s": round(created - began, 2),
        "all PUT after s": round(max(put.values()) - began, 2),
        "all Running in the API after s": round(max(watch.running[n] for n in names) - began, 2),
        "create request to PUT, ms": percentiles([put[n] - asked[n] for n in names]),
        "group Running to pod Running, ms": percentiles(
            [watch.running[n] - started[n] for n in names]),
        "ARM requests": growth(stats["operations"], after["operations"]),
        "answered 429": sum(growth(stats["throttled"], after["throttled"]).values()),
        "RSS MB": round(rss, 1), "highest RSS MB": round(peak, 1),
        "CPU s": round(cpu_after - cpu, 2),
    }
    if args.steady:
        before, cpu = control(args.control, "/stats")["operations"], process(args.pid)[2]
        time.sleep(args.steady)
        now, cpu_now = control(args.control, "/stats")["operations"], process(args.pid)[2]
        result["steady state, per minute"] = {
            "ARM requests": round((sum(now.values()) - sum(before.values())) * 60 / args.steady),
            "CPU s": round((cpu_now - cpu) * 60 / args.steady, 2)}
    began = time.time()
    in_parallel(target, names,
                lambda api, n: api.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{n}"))
    watch.wait(watch.deleted, names, PATIENCE)
    result["all deleted after s"] = round(max(watch.deleted[n] for n in names) - began, 2)
    result["groups left"] = control(args.control, "/stats")["groups"]
    return result


def show(name, value, indent=0):
    if isinstance(value, dict):
        print(" " * indent + name)
        for key, inner in value.items():
            show(key, inner, indent + 2)
    else:
        print(" " * indent + f"{name:<36} {value:>10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--kubeconfig", "--node", "--control", "--pid"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--pods", default="100,1000")
    parser.add_argument("--steady", type=int, default=20, help="seconds at rest after each burst")
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    target = kubeconfig(args.kubeconfig)
    watch = Watch(target)
    watch.start()
    cpu = process(args.pid)[2]
    time.sleep(10)
    rss, _, cpu_idle = process(args.pid)
    results = {"idle": {"RSS MB": round(rss, 1), "CPU s per minute": round((cpu_idle - cpu) * 6, 2)},
               "bursts": []}
    show("idle", results["idle"])
    for count in map(int, args.pods.split(",")):
        results["bursts"].append(burst(args, target, watch, count))
        show(f"burst of {count}", results["bursts"][-1])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=2)


if __name__ == "__main__":
    main()
