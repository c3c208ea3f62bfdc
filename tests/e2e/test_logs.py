# SPDX-License-Identifier: Apache-2.0
"""kubectl logs without -f: each option alone and with each other, several containers, and containers
that have no log yet."""

import itertools
import re
import urllib.parse

import pytest

import manifests
from credentials import Port
from credentials import cluster_admin as _admin  # pylint: disable=unused-import
from credentials import cluster_authority as _authority  # pylint: disable=unused-import
from polling import eventually

# Between the halves a whole second passes, since kubectl's times have no fractions.
SCRIPT = ("for i in 1 2 3 4 5 6 7 8; do echo line $i; done; echo; printf 'é %300s\\n' x; sleep 2.2; "
          "for i in 11 12 13 14 15 16 17 18 19; do echo line $i; done; echo last; "
          "exec sleep 100000")
LINES = ([f"line {n}" for n in range(1, 9)] + ["", "é " + " " * 299 + "x"] +
         [f"line {n}" for n in range(11, 20)] + ["last"])


@pytest.fixture(name="namespace", scope="module")
def _namespace(world, shared_namespace):
    world.apply(shared_namespace, manifests.pod(
        "two", manifests.shell(SCRIPT), manifests.shell("echo beside; exec sleep 100000", "side"),
        initContainers=[manifests.shell("echo prepared", "first")],
        terminationGracePeriodSeconds=0))
    eventually(lambda: "last" in world.kubectl("logs", "-n", shared_namespace, "two", "-c", "main",
                                               check=False).stdout, 60, "all was written")
    return shared_namespace


def expected(whole, tail, since, stamps, limit):
    """What a kubelet gives of `whole`, (time, line) each."""
    lines = [one for one in whole if since is None or one[0] >= since]
    if tail is not None:
        lines = lines[len(lines) - min(tail, len(lines)):]
    text = "".join(f"{time} {line}\n" if stamps else f"{line}\n" for time, line in lines)
    return text.encode()[:limit].decode(errors="replace")


def test_options_go_together(world, namespace, admin):
    port = Port(world.node_address, 10250)

    def ask(**query):
        status, text = port.ask(f"/containerLogs/{namespace}/two/main?" +
                                urllib.parse.urlencode(query), admin)
        assert status == 200, text
        return text
    whole = [tuple(line.split(" ", 1)) for line in ask(timestamps="true").splitlines()]
    assert [line for _, line in whole] == LINES
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", time) for time, _ in whole)
    assert [time for time, _ in whole] == sorted(time for time, _ in whole)
    second = whole[10][0].split(".")[0]
    assert whole[9][0] < second
    for tail, since, stamps, limit in itertools.product(
            (None, 0, 1, 13, 1000), (None, second, "2100-01-01T00:00:00"), (False, True),
            (None, 1, 50, 100_000)):
        query = {"tailLines": tail, "sinceTime": since and since + "Z",
                 "timestamps": str(stamps).lower(), "limitBytes": limit}
        answer = ask(**{name: value for name, value in query.items() if value is not None})
        assert answer == expected(whole, tail, since, stamps, limit), query


def test_kubectl_asks_for_them(world, namespace):
    def logs(*flags):
        return world.kubectl("logs", "-n", namespace, "two", *flags).stdout
    late = logs("-c", "main", "--timestamps", "--tail=10").splitlines()
    assert [line.split(" ", 1)[1] for line in late] == LINES[10:]
    since = re.sub(r"\.\d+Z$", "Z", late[0].split()[0])
    assert logs("-c", "main", f"--since-time={since}", "--tail=3") == "line 18\nline 19\nlast\n"
    assert logs("-c", "main", "--since=1h", "--limit-bytes=10") == "line 1\nlin"
    assert sorted(logs("--all-containers", "--prefix", "--tail=1").splitlines()) == [
        "[pod/two/first] prepared", "[pod/two/main] last", "[pod/two/side] beside"]
    assert sorted(logs("--all-containers").splitlines()) == sorted(LINES + ["beside", "prepared"])


def test_a_container_that_waits_has_none_and_says_why(world, namespace):
    world.control_post("/faults", {
        "operation": "ContainerGroups_CreateOrUpdate", "group": f"{namespace}-slow-*", "count": 0,
        "action": {"status": 429, "code": "TooManyRequests", "message": "wait", "retryAfter": 2}})
    world.apply(namespace, manifests.pod("slow", manifests.shell("exec sleep 100000"),
                                         terminationGracePeriodSeconds=0),
                manifests.pod("lost", manifests.container("main", "aci-kubelet/none:1.0",
                                                          command=["true"]),
                              terminationGracePeriodSeconds=0))

    def says(name, words):
        said = world.kubectl("logs", "-n", namespace, name, check=False)
        return said.returncode == 1 and re.search(
            f'\\(BadRequest\\): container "main" in pod "{name}" is waiting to start: {words}$',
            said.stderr.strip())
    try:
        eventually(lambda: says("slow", "ContainerCreating"), 60, "it is not there yet")
    finally:
        world.control_delete("/faults")
    eventually(lambda: says("lost", "(image can't be pulled|trying and failing to pull image)"), 60,
               "its image is missing")
