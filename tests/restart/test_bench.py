# SPDX-License-Identifier: Apache-2.0
"""tests/bench works: what it measures of a small burst is whole, and its picture is one."""

import json
import subprocess
import sys
import xml.etree.ElementTree

from simulated import World
from world import TESTS

PODS = 30
BENCH = TESTS / "bench"


def _measure(world, namespace, result):
    subprocess.run(
        [sys.executable, BENCH / "burst.py", "--kubeconfig", str(world.kubeconfig), "--node", World.node,
         "--namespace", namespace, "--control", "127.0.0.1:9443", "--pods", str(PODS), "--idle", "0.1",
         "--steady", "1", "--about", '{"programs": "first", "limits": "off"}', "--json", str(result),
         "--process", f"aci-kubelet={world.kubelet_pid()}"], check=True, timeout=300)


def test_a_small_burst_is_measured_and_drawn(world, namespace, tmp_path):
    result, whole, picture = (tmp_path / name for name in ("result.json", "whole.json", "burst.svg"))
    _measure(world, namespace, result)
    shown = subprocess.run(
        [sys.executable, BENCH / "report.py", "--json", str(whole), "--svg", str(picture), str(result)],
        check=True, timeout=240, capture_output=True, text=True).stdout

    (burst,) = json.loads(whole.read_text())["runs"][0]["bursts"]
    assert burst["ARM requests"]["ContainerGroups_CreateOrUpdate"] == PODS
    assert burst["API writes"]["POST serviceaccounts/token 201"] >= PODS
    assert burst["deletion"]["ARM requests"]["ContainerGroups_Delete"] == PODS
    for asked, put, running in zip(*(burst["timeline"]["up"][k] for k in ("asked", "put", "running"))):
        assert asked <= put <= running
    assert burst["CPU s"]["aci-kubelet"] > 0 and burst["peak RSS MB"] > 1
    assert "all Running in the API, s" in shown and f"burst of {PODS}, limits off" in shown
    drawn = xml.etree.ElementTree.parse(picture).getroot()
    assert drawn.find("{*}title").text and str(PODS) in drawn.find("{*}desc").text
    assert len(drawn.findall("{*}path")) > 10
