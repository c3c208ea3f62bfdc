# SPDX-License-Identifier: Apache-2.0
"""Customers come, the shop grows, customers go, the shop shrinks: measured, printed and drawn."""

import argparse
import json
import subprocess
import sys
import threading
import time
import urllib.request

LATEST = 300  # seconds for each wait


class Cluster:
    def __init__(self, kubectl, kubeconfig):
        self._command = [kubectl, "--kubeconfig", kubeconfig]

    def run(self, *arguments, stdin=None):
        return subprocess.run([*self._command, *arguments], input=stdin, text=True, check=True,
                              capture_output=True, timeout=60).stdout

    def get(self, *arguments):
        return json.loads(self.run("get", *arguments, "-o", "json"))

    def shop(self):
        """(wanted, started, ready, CPU in percent of what is asked for, addresses of ready pods)"""
        pods = [pod for pod in self.get("pods", "-l", "app=shop")["items"]
                if not pod["metadata"].get("deletionTimestamp")]
        ready = [pod for pod in pods
                 if any(c["type"] == "Ready" and c["status"] == "True"
                        for c in pod["status"].get("conditions", []))]
        deployment = self.get("deployment", "shop")
        metrics = self.get("hpa", "shop")["status"].get("currentMetrics") or []
        percent = [m["resource"]["current"].get("averageUtilization") for m in metrics
                   if m.get("type") == "Resource"]
        return (deployment["spec"]["replicas"], len(pods), len(ready),
                percent[0] if percent and percent[0] is not None else 0,
                [pod["status"]["podIP"] for pod in ready if pod["status"].get("podIP")])


class Customers:
    """Each buys again and again, at one pod after the other, as behind a load balancer."""

    def __init__(self, count):
        self.addresses, self.served, self.lost = [], 0, 0
        self._count, self._lock, self._end = count, threading.Lock(), threading.Event()
        self._threads = []

    def come(self):
        self._threads = [threading.Thread(target=self._buy, args=(n,), daemon=True)
                         for n in range(self._count)]
        for thread in self._threads:
            thread.start()

    def go(self):
        self._end.set()
        for thread in self._threads:
            thread.join(30)

    def _buy(self, turn):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not self._end.wait(0.01):
            turn += 1
            addresses = self.addresses
            if not addresses:
                continue
            try:
                url = f"http://{addresses[turn % len(addresses)]}:8080/cgi-bin/buy"
                with opener.open(url, timeout=20) as answer:
                    good = answer.read().startswith(b"thank you")
            except OSError:
                good = False
            with self._lock:
                self.served += good
                self.lost += not good


class Timeline:
    def __init__(self, cluster, customers):
        self._cluster, self._customers = cluster, customers
        self.points, self.moments, self._began = [], [], time.monotonic()
        self._last = (0.0, 0)

    def say(self, text):
        now = time.monotonic() - self._began
        self.moments.append((now, text))
        print(f"{now:6.1f} s  {text}", flush=True)

    def look(self):
        wanted, started, ready, percent, addresses = self._cluster.shop()
        self._customers.addresses = addresses
        now, served = time.monotonic() - self._began, self._customers.served
        rate = (served - self._last[1]) / max(now - self._last[0], 0.1)
        self._last = (now, served)
        if not self.points or self.points[-1][1:4] != (wanted, started, ready):
            print(f"{now:6.1f} s  {ready:2} ready, {started:2} pods, {wanted:2} wanted, "
                  f"CPU {percent:3} %, {rate:5.1f} orders/s", flush=True)
        self.points.append((now, wanted, started, ready, percent, rate))
        return self.points[-1]

    def until(self, what, condition, seconds=LATEST):
        end = time.monotonic() + seconds
        while not condition(self.look()):
            if time.monotonic() > end:
                sys.exit(f"error: {what}: not within {seconds} s")
            time.sleep(0.7)


def text(x, y, words, size=13, anchor="start", colour="#333"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{words}</text>')


def draw(timeline, file):
    """Pods as steps, the CPU as a line, moments as marks."""
    width, height, left, right, top, bottom = 960, 420, 50, 60, 60, 50
    end = timeline.points[-1][0]
    most = max(max(point[1] for point in timeline.points), 4)
    percent = max(max(point[4] for point in timeline.points), 100)

    def across(seconds):
        return left + (width - left - right) * seconds / end

    def up(share):
        return height - bottom - (height - top - bottom) * share

    def steps(column):
        path = [f"M{across(0):.1f},{up(timeline.points[0][column] / most):.1f}"]
        for point in timeline.points[1:]:
            path.append(f"H{across(point[0]):.1f}V{up(point[column] / most):.1f}")
        return "".join(path)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="#fff"/>',
           text(left, 24, "Black Friday: pods on the virtual node", 17)]
    for n in range(0, most + 1, max(1, most // 5)):
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{up(n / most):.1f}" '
                   f'y2="{up(n / most):.1f}" stroke="#ddd"/>')
        out.append(text(left - 8, up(n / most) + 4, str(n), anchor="end"))
    for seconds in range(0, int(end) + 1, 30):
        out.append(text(across(seconds), height - bottom + 20, f"{seconds} s", anchor="middle"))
    area = steps(3) + f"V{up(0):.1f}H{across(0):.1f}Z"
    out.append(f'<path d="{area}" fill="#4c9be8" fill-opacity="0.5"/>')
    out.append(f'<path d="{steps(1)}" fill="none" stroke="#1f4e79" stroke-width="2"/>')
    line = " ".join(f"{across(point[0]):.1f},{up(point[4] / percent):.1f}"
                    for point in timeline.points)
    out.append(f'<polyline points="{line}" fill="none" stroke="#e07b39" stroke-width="1.5"/>')
    for share in (0, 0.5, 1):
        out.append(text(width - right + 8, up(share) + 4, f"{percent * share:.0f} %",
                        colour="#e07b39"))
    for n, (seconds, words) in enumerate(timeline.moments):
        out.append(f'<line x1="{across(seconds):.1f}" x2="{across(seconds):.1f}" y1="{top - 8}" '
                   f'y2="{height - bottom}" stroke="#888" stroke-dasharray="3,3"/>')
        out.append(text(across(seconds) + 4, top - 10 + 14 * (n % 2), words, 11))
    legend = ((0, "#4c9be8", "ready"), (90, "#1f4e79", "wanted"), (190, "#e07b39", "CPU"))
    for offset, colour, words in legend:
        out.append(f'<rect x="{left + offset}" y="{height - 18}" width="12" height="12" '
                   f'fill="{colour}"/>')
        out.append(text(left + offset + 18, height - 8, words))
    out.append("</svg>")
    with open(file, "w", encoding="utf-8") as target:
        target.write("\n".join(out) + "\n")


def main():
    options = argparse.ArgumentParser()
    for name in ("kubectl", "kubeconfig", "manifests", "svg"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--pods", type=int, default=20)
    options.add_argument("--customers", type=int, default=12)
    options.add_argument("--seconds", type=int, default=90)
    o = options.parse_args()
    cluster, customers = Cluster(o.kubectl, o.kubeconfig), Customers(o.customers)
    cluster.run("apply", "-f", o.manifests)
    cluster.run("patch", "hpa", "shop", "-p", json.dumps({"spec": {"maxReplicas": o.pods}}))
    timeline = Timeline(cluster, customers)
    timeline.say("the shop opens")
    timeline.until("two pods are ready", lambda now: now[3] >= 2)
    timeline.say(f"{o.customers} customers come")
    customers.come()
    began = time.monotonic()
    timeline.until("the shop grows", lambda now: now[3] > 2)
    timeline.say("the first burst pod is ready")
    timeline.until("the customers stay", lambda _: time.monotonic() - began > o.seconds)
    most = max(point[3] for point in timeline.points)
    timeline.say("the customers go")
    customers.go()
    timeline.until("the shop shrinks", lambda now: now[3] <= 2 and now[2] <= 2)
    timeline.say("two pods are left")
    cluster.run("delete", "--wait=false", "-f", o.manifests)
    draw(timeline, o.svg)
    print(f"{customers.served} orders, {customers.lost} lost; up to {most} pods; {o.svg}")


if __name__ == "__main__":
    main()
