# SPDX-License-Identifier: Apache-2.0
"""Measures exec and port-forward for tests/bench/streams. Needs nothing but Python and kubectl."""

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from cluster import Api, kubeconfig

MIB = 1 << 20
PORT = 7000
NAMESPACE = "streams"
# One connection of the forwarded port after the other gets this much.
SERVER = "while :; do nc -l -p {port} -e dd if=/dev/zero bs=65536 count={count} 2>/dev/null; done"


def pod(size):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"},
        "spec": {"nodeSelector": {"type": "virtual-kubelet"}, "restartPolicy": "Never",
                 "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0,
                 "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
                 "containers": [{
                     "name": "main", "image": "busybox", "command": ["/bin/sh", "-c"],
                     "args": [SERVER.format(port=PORT, count=size * 16)],
                     "resources": {"limits": {"cpu": "4", "memory": "512Mi"}}}]}}


class Exec:
    """A websocket to the API server that runs a command."""

    def __init__(self, target, *command, stdin=False):
        host, port, context = target
        words = [("command", word) for word in command]
        query = urllib.parse.urlencode([*words, ("stdout", 1), *([("stdin", 1)] if stdin else [])])
        self.socket = context.wrap_socket(socket.create_connection((host, port), timeout=60),
                                          server_hostname=host)
        self.file = self.socket.makefile("rb")
        self.socket.sendall("\r\n".join([
            f"GET /api/v1/namespaces/{NAMESPACE}/pods/bench/exec?{query} HTTP/1.1",
            f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: v4.channel.k8s.io", "", ""]).encode())
        status = self.file.readline()
        if b" 101 " not in status:
            raise RuntimeError(f"exec: {status!r} {self.file.read(500)!r}")
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def message(self):
        head = self.file.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            raise RuntimeError("exec: closed early")
        length = head[1] & 127
        if length > 125:
            length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
        return self.file.read(length)

    def first_output(self):
        """Channel 1, the output; it is greeted by an empty one."""
        while True:
            message = self.message()
            if message[:1] == b"\1" and len(message) > 1:
                return
            if message[:1] == b"\3":
                raise RuntimeError(f"exec: {message[1:]!r}")

    def close(self):
        self.socket.close()


class Bench:
    def __init__(self, options):
        self.options = options
        self.target = kubeconfig(options.kubeconfig)
        self.api = Api(self.target)
        self.kubectl = [options.kubectl, "--kubeconfig", options.kubeconfig, "-n", NAMESPACE]
        self.bytes = options.size * MIB

    def begin(self):
        self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        deadline = time.monotonic() + 120
        while True:
            try:
                self.api.call("POST", pods, pod(self.options.size))
                break
            except RuntimeError:  # until the namespace has its service account
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        while self.api.call("GET", f"{pods}/bench")["status"].get("phase") != "Running":
            if time.monotonic() > deadline:
                raise RuntimeError("the pod does not run")
            time.sleep(0.2)

    def rate(self, began):
        return round(self.options.size / (time.monotonic() - began), 1)

    def stdout(self):
        command = [*self.kubectl, "exec", "bench", "--", "dd", "if=/dev/zero", "bs=65536",
                   f"count={self.options.size * 16}"]
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
            got = count(run.stdout)
        if got != self.bytes:
            raise RuntimeError(f"exec gave {got} bytes of {self.bytes}")
        return self.rate(began)

    def stdin(self):
        with tempfile.TemporaryFile() as file:
            for _ in range(self.options.size):
                file.write(os.urandom(MIB))
            file.seek(0)
            began = time.monotonic()
            out = subprocess.run([*self.kubectl, "exec", "-i", "bench", "--", "wc", "-c"],
                                 stdin=file, capture_output=True, check=True).stdout
        if int(out) != self.bytes:
            raise RuntimeError(f"exec took {out} bytes of {self.bytes}")
        return self.rate(began)

    def port_forward(self):
        command = [*self.kubectl, "port-forward", "--address", "127.0.0.1", "pod/bench", f":{PORT}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
            try:
                port = int(re.search(r":(\d+) -> ", forward.stdout.readline())[1])
                began = time.monotonic()
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    got = count(connection.makefile("rb"))
            finally:
                forward.terminate()
        if got != self.bytes:
            raise RuntimeError(f"the port gave {got} bytes of {self.bytes}")
        return self.rate(began)

    def starts(self):
        """Milliseconds from each request to the first byte of its command, sorted."""
        times = []
        for _ in range(self.options.execs):
            began = time.monotonic()
            with contextlib.closing(Exec(self.target, "echo", "up")) as run:
                run.first_output()
            times.append(1000 * (time.monotonic() - began))
        return sorted(times)

    def memory(self):
        """KiB of aci-kubelet for each of several idle execs."""
        before = resident(self.options.process)
        with contextlib.ExitStack() as stack:
            runs = []
            for _ in range(self.options.streams):
                runs.append(Exec(self.target, "sh", "-c", "echo up; cat", stdin=True))
                stack.callback(runs[-1].close)
            for run in runs:
                run.first_output()
            return round((resident(self.options.process) - before) / 1024 / len(runs), 1)


def count(file):
    got = 0
    while piece := file.read(1 << 16):
        got += len(piece)
    return got


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def percentile(values, part):
    return round(values[min(len(values) - 1, int(len(values) * part))], 1)


def main():
    parser = argparse.ArgumentParser()
    for name in ("kubeconfig", "kubectl", "json"):
        parser.add_argument(f"--{name}")
    for name, default in (("process", None), ("size", 100), ("execs", 100), ("streams", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--about", type=json.loads, default={})
    options = parser.parse_args()
    bench = Bench(options)
    bench.begin()
    starts = bench.starts()
    result = {**options.about, "sizeMiB": options.size,
              "execStartMs": {"n": len(starts), "p50": percentile(starts, 0.5),
                              "p99": percentile(starts, 0.99)},
              "execIdleKiB": bench.memory(), "execStdoutMiBPerS": bench.stdout(),
              "execStdinMiBPerS": bench.stdin(), "portForwardMiBPerS": bench.port_forward()}
    for key, value in result.items():
        print(f"{key:20} {value}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
