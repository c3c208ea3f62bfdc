# SPDX-License-Identifier: Apache-2.0
"""The Go clients of Kubernetes through the API server, and straight to the kubelet port: also by the
protocols that an API server speaks only to a node that declares them."""

import subprocess

import manifests
from polling import eventually
from world import TESTS

CHECKS = 2 * 29


def test_go_clients_get_what_they_ask_for(world, namespace):
    program = subprocess.run([str(TESTS / "e2e/go-clients/build")], check=True, timeout=600,
                             stdout=subprocess.PIPE, text=True).stdout.strip()
    bare = manifests.container("bare", "aci-kubelet/no-shell:1.0", command=["sleep", "100000"])
    world.apply(namespace, manifests.pod("both", manifests.shell("exec sleep 100000"), bare,
                                         manifests.web(), terminationGracePeriodSeconds=0))
    eventually(lambda: world.fetch(world.pod(namespace, "both").status.pod_ip), 60,
               "the web server answers")
    pki = world.folder / "control-plane/pki"
    server = world.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").stdout
    run = subprocess.run(
        [program, f"-kubelet=https://{world.node_address}:10250", f"-server={server}",
         f"-pod={namespace}/both",
         f"-ca={pki}/ca.crt", f"-cert={pki}/apiserver-kubelet-client.crt",
         f"-key={pki}/apiserver-kubelet-client.key"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    lines = run.stdout.splitlines()
    assert not [line for line in lines if not line.startswith("ok ")], run.stdout + run.stderr
    assert run.returncode == 0 and len(lines) == CHECKS, run.stdout + run.stderr
    # Once for each way to forward: client-go logs what the kubelet says of a port.
    assert run.stderr.count("port 1: Connection refused") == 4, run.stderr
