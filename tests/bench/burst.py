# SPDX-License-Identifier: Apache-2.0
"""Bursts of pods through a real API server, measured from outside: the API server's watch and
counters, the emulator's own times, /proc. Started by `run`, writes one JSON document."""

import argparse
import json
import queue
import threading
import time

from cluster import Api, Control, Process, Watch, kubeconfig

CREATORS = 8
# Beyond what the limits ask for.
PATIENCE = 240


def pod(name, node):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 30,
                     "tolerations": [{"operator": "Exists"}],
                     "containers": [{"name": "main", "image": "burst:1", "command": ["serve"],
                                     "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}}}]}}


def percentiles(values):
    values = sorted(values)
    return {f"p{p}": round(values[min(len(values) - 1, len(values) * p // 100)], 3)
            for p in (50, 95, 99)} | {"max": round(values[-1], 3)}


def growth(before, after):
    return {k: after[k] - before.get(k, 0) for k in sorted(after) if after[k] != before.get(k, 0)}


def bound(limits, count):
    """Seconds until the last of `count` groups may be created: [[size, seconds], ...] windows, and
    at most a bucket {"size":, "rate":}; 0 without limits."""
    times = []
    for i in range(count):
        at = times[-1] if times else 0.0
        bucket = limits.get("bucket")
        if bucket and i >= bucket["size"]:
            at = max(at, (i + 1 - bucket["size"]) / bucket["rate"])
        for size, seconds in limits.get("windows", []):
            if i >= size:
                at = max(at, times[i - size] + seconds)
        times.append(at)
    return times[-1]


class Bench:
    def __init__(self, args):
        self.args, self.target = args, kubeconfig(args.kubeconfig)
        self.path = f"/api/v1/namespaces/{args.namespace}/pods"
        self.api, self.control = Api(self.target), Control(args.control)
        self.processes = {name: Process(pid) for name, _, pid in
                          (p.partition("=") for p in args.process)}
        self.kubelet = self.processes["aci-kubelet"]
        self.limits = json.loads(args.limits)
        self.watch = Watch(self.target, args.namespace)
        self.watch.start()

    def in_parallel(self, names, work):
        todo, errors = queue.SimpleQueue(), []
        for name in names:
            todo.put(name)

        def worker():
            api = Api(self.target)
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

    def counters(self):
        return {"cpu": {name: p.cpu_seconds() for name, p in self.processes.items()},
                "api": self.api.requests(), "arm": self.control.stats()}

    @staticmethod
    def spent(before, after):
        return {"CPU s": {name: round(seconds - before["cpu"][name], 2)
                          for name, seconds in after["cpu"].items()},
                "API writes": growth(before["api"], after["api"]),
                "ARM requests": growth(before["arm"]["operations"], after["arm"]["operations"]),
                "answered 429": after["arm"]["throttled"] - before["arm"]["throttled"]}

    def idle(self, seconds):
        before = self.kubelet.cpu_seconds()
        time.sleep(seconds)
        return {"RSS MB": self.kubelet.memory_mb(),
                "CPU s/min": round((self.kubelet.cpu_seconds() - before) * 60 / seconds, 2)}

    def create(self, names):
        """Seconds since the beginning, by name, of what happened to each pod."""
        asked, made, node = {}, {}, self.args.node

        def one(api, name):
            asked[name] = time.time()
            api.call("POST", self.path, pod(name, node))
            made[name] = time.time()

        self.in_parallel(names, one)
        self.watch.wait(self.watch.running, names, PATIENCE + 2 * bound(self.limits, len(names)))
        groups = self.control.groups()
        began = min(asked.values())
        times = {"asked": asked, "made": made, "seen": self.watch.seen,
                 "put": {n: groups[n]["createTime"] / 1e9 for n in names},
                 "started": {n: groups[n]["containers"][0]["startTime"] / 1e9 for n in names},
                 "running": self.watch.running}
        return {what: [round(at[n] - began, 3) for n in names] for what, at in times.items()}

    def delete(self, names):
        asked = {}

        def one(api, name):
            asked[name] = time.time()
            api.call("DELETE", f"{self.path}/{name}")

        self.in_parallel(names, one)
        self.watch.wait(self.watch.gone, names,
                        PATIENCE + 2 * bound({"windows": self.limits.get("deletes", []),
                                              "bucket": self.limits.get("bucket")}, len(names)))
        began = min(asked.values())
        return {what: [round(at[n] - began, 3) for n in names]
                for what, at in (("asked", asked), ("gone", self.watch.gone))}

    def steady(self, seconds):
        before = self.counters()
        # The API server ends a connection that is idle for 90 s; the next request opens another.
        self.api.connection.close()
        time.sleep(seconds)
        spent = self.spent(before, self.counters())
        per_minute = 60 / seconds
        return {"seconds": seconds,
                "ARM requests/min": round(sum(spent["ARM requests"].values()) * per_minute),
                "CPU s/min": round(spent["CPU s"]["aci-kubelet"] * per_minute, 2),
                "RSS MB": self.kubelet.memory_mb()} | spent

    def burst(self, count):
        names = [f"burst-{count}-{i:05d}" for i in range(count)]
        self.kubelet.forget_peak()
        before = self.counters()
        up = self.create(names)
        after = self.counters()
        pairs = {"create to seen": ("asked", "seen"), "seen to PUT": ("seen", "put"),
                 "PUT to group Running": ("put", "started"),
                 "group Running to pod Running": ("started", "running"),
                 "create to PUT": ("asked", "put"), "create to pod Running": ("asked", "running")}
        result = {
            "pods": count,
            "all created s": max(up["made"]), "all PUT s": max(up["put"]),
            "all Running s": max(up["running"]),
            "the limits' own bound s": round(bound(self.limits, count), 2),
            "seconds": {name: percentiles([b - a for a, b in zip(up[x], up[y])])
                        for name, (x, y) in pairs.items()},
            "RSS MB": self.kubelet.memory_mb(), "peak RSS MB": self.kubelet.memory_mb("VmHWM"),
        } | self.spent(before, after)
        if self.args.steady:
            result["steady state"] = self.steady(self.args.steady)
        before = self.counters()
        down = self.delete(names)
        result["deletion"] = {"all deleted s": max(down["gone"]),
                              "seconds": percentiles(
                                  [b - a for a, b in zip(down["asked"], down["gone"])]),
                              "peak RSS MB": self.kubelet.memory_mb("VmHWM"),
                              "groups left": self.control.stats()["groups"],
                              } | self.spent(before, self.counters())
        return result | {"timeline": {"up": up, "down": down}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--kubeconfig", "--node", "--control", "--json"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--process", action="append", required=True, help="NAME=PID; aci-kubelet and "
                        "others whose CPU time is of interest")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--pods", default="100,300,1000")
    parser.add_argument("--steady", type=int, default=120, help="seconds at rest after each burst")
    parser.add_argument("--idle", type=float, default=10, help="seconds at rest before the first one")
    parser.add_argument("--limits", default="{}", help="what `bound` takes, as JSON")
    parser.add_argument("--about", default="{}", help="JSON members of the result")
    args = parser.parse_args()
    bench = Bench(args)
    results = json.loads(args.about) | {"idle": bench.idle(args.idle)}
    results["bursts"] = [bench.burst(count) for count in map(int, args.pods.split(","))]
    with open(args.json, "w", encoding="utf-8") as out:
        json.dump(results, out)


if __name__ == "__main__":
    main()
