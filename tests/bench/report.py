# SPDX-License-Identifier: Apache-2.0
"""report.py [--json FILE] [--svg FILE] RESULT...: puts the results of burst.py together: prints
them, as ratios where two programs were measured in turn, and writes one JSON and one picture."""

import argparse
import json
import os
import platform
import statistics

import timeline

# What is shown of a burst, and for figures that an issue sets an aim for at 1,000 pods: the aim.
ROWS = [
    ("all created by the client, s", ("all created s",), None),
    ("all PUT, s", ("all PUT s",), 2),
    ("all Running in the API, s", ("all Running s",), 7),
    ("the limits' own bound, s", ("the limits' own bound s",), None),
    *((f"{step}, s: {p}", ("seconds", step, p), None)
      for step in ("create to seen", "seen to PUT", "PUT to group Running",
                   "group Running to pod Running", "create to pod Running")
      for p in ("p50", "p95", "p99")),
    ("CPU of aci-kubelet, s", ("CPU s", "aci-kubelet"), 3),
    ("CPU of kube-apiserver, s", ("CPU s", "kube-apiserver"), None),
    ("peak RSS of aci-kubelet, MB", ("peak RSS MB",), 50),
    ("writes to the API server, all clients", ("API writes", None), None),
    ("ARM requests", ("ARM requests", None), None),
    ("answered 429 by ARM", ("answered 429",), None),
    ("at rest: ARM requests/min", ("steady state", "ARM requests/min"), 900),
    ("at rest: CPU of aci-kubelet, s/min", ("steady state", "CPU s/min"), None),
    ("at rest: RSS of aci-kubelet, MB", ("steady state", "RSS MB"), None),
    ("all deleted, s", ("deletion", "all deleted s"), 6),
    ("deletion: CPU of aci-kubelet, s", ("deletion", "CPU s", "aci-kubelet"), None),
    ("deletion: answered 429 by ARM", ("deletion", "answered 429"), None),
    ("groups left", ("deletion", "groups left"), None),
]


def value(burst, path):
    """None where a burst has no such figure; a path that ends with None means a sum."""
    for key in path:
        if key is None:
            return sum(burst.values())
        if key not in burst:
            return None
        burst = burst[key]
    return burst


def number(x):
    return "" if x is None else f"{x:.0f}" if float(x).is_integer() else f"{x:.2f}"


def table(series):
    """series: programs -> bursts of the same size under the same limits, in the order measured. The
    least of several runs is shown: what disturbs a run makes it slower."""
    names = list(series)
    runs = len(series[names[0]])
    head = [("least of " + str(runs) if runs > 1 else "one run")]
    head += [*names, *([f"{names[0]}/{names[1]}"] if len(names) > 1 else []), "aim"]
    lines = [head]
    for label, path, aim in ROWS:
        columns = [[value(b, path) for b in series[name]] for name in names]
        if any(None in column for column in columns):
            continue
        least = [min(column) for column in columns]
        line = [label, *map(number, least)]
        if len(names) > 1:
            # Pair by pair: the machine's speed drifts, and both of a pair see about the same of it.
            ratios = [a / b for a, b in zip(*columns) if b]
            line.append(f"{statistics.median(ratios):.2f}" if ratios else "")
        line.append(str(aim) if aim and series[names[0]][0]["pods"] == 1000 else "")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                      for i, (cell, w) in enumerate(zip(line, widths))) for line in lines]


def middle(bursts):
    """The run to draw: half of the others were slower."""
    return sorted(bursts, key=lambda b: b["all Running s"])[(len(bursts) - 1) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", metavar="RESULT")
    parser.add_argument("--json", default=None)
    parser.add_argument("--svg", default=None)
    args = parser.parse_args()
    results = []
    for name in args.results:
        with open(name, encoding="utf-8") as file:
            results.append(json.load(file))
    programs = list(dict.fromkeys(r["programs"] for r in results))
    grouped = {}
    for result in results:
        for burst in result["bursts"]:
            series = grouped.setdefault((result["limits"], burst["pods"]), {p: [] for p in programs})
            series[result["programs"]].append(burst)
    for (limits, pods), series in grouped.items():
        print(f"burst of {pods}, limits {limits}")
        print("\n".join("  " + line for line in table(series)))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"format": 1, "machine": {"processors": len(os.sched_getaffinity(0)),
                                                "kernel": platform.release()},
                       "runs": results}, out)
    if args.svg:
        rows = [(f"{pods} pods, limits {limits}" + (f", {name}" if len(programs) > 1 else ""),
                 middle(bursts))
                for (limits, pods), series in grouped.items() for name, bursts in series.items()]
        with open(args.svg, "w", encoding="utf-8") as out:
            out.write(timeline.svg("aci-kubelet: bursts of pods on the simulated engine", rows))


if __name__ == "__main__":
    main()
