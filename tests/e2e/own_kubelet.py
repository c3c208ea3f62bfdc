# SPDX-License-Identifier: Apache-2.0
"""An aci-kubelet of a test's own, beside the world's: another node, another port."""

import os
import signal
import subprocess

import pytest

from credentials import Port
from polling import eventually

NUMBER = 10350
ADDRESS = "10.240.0.2"


class Kubelet:
    """Options are flags, with `_` for `-`; None leaves one of the usual ones out. Its provider does
    not answer, so that its node is tainted and gets no pods, unless azure is set."""

    def __init__(self, world, folder, name, azure=False, **options):
        self.world, self.name, self.log = world, name, folder / "output"
        pki = world.folder / f"control-plane/nodes/{world.node}"
        value = world.values
        arm = world.arm if azure else "https://10.240.0.3:1"
        flags = {"kubeconfig": world.kubeconfig, "nodename": name, "node-ip": ADDRESS,
                 "port": NUMBER, "subscription": value["SUBSCRIPTION"],
                 "resource-group": value["RESOURCE_GROUP"], "location": value["LOCATION"],
                 "subnet-id": value["SUBNET"], "arm-endpoint": arm, "authority-host": arm,
                 "azure-ca-file": world.folder / "aci/ca.crt", "v": 2,
                 "registry-mirrors": f"*=http://{value['REGISTRY']}",
                 "tls-cert-file": pki / "kubelet.crt", "tls-private-key-file": pki / "kubelet.key",
                 "client-ca-file": pki / "ca.crt"}
        flags.update({key.replace("_", "-"): value for key, value in options.items()})
        env = {"PATH": os.environ["PATH"], "AZURE_TENANT_ID": value["TENANT"],
               "AZURE_CLIENT_ID": value["CLIENT"], "AZURE_CLIENT_SECRET": value["SECRET"]}
        with open(self.log, "wb") as output:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                [str(world.programs / "aci-kubelet"),
                 *(f"--{key}={value}" for key, value in flags.items() if value is not None)],
                env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        self.port = Port(flags["node-ip"], flags["port"])

    def text(self):
        return self.log.read_text(errors="replace")

    def wait(self):
        """Until its port answers."""
        self.until(lambda: self.port.ask("/healthz")[0] == 200, "/healthz answers")
        return self

    def until(self, condition, what, timeout=60):
        """eventually(), that shows the log when it does not come."""
        try:
            return eventually(condition, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def condition(self, kind):
        """Of its node object."""
        node = self.world.core.read_node(self.name)
        return next(entry for entry in node.status.conditions if entry.type == kind)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(name="kubelet")
def start_kubelet(world, tmp_path):
    """A function that starts one; all are stopped and their nodes removed when the test ends."""
    started = []

    def start(name="gate", **options):
        folder = tmp_path / f"kubelet-{len(started)}"
        folder.mkdir()
        started.append(Kubelet(world, folder, name, **options))
        return started[-1]
    yield start
    for process in started:
        process.stop()
    for name in {process.name for process in started}:
        world.kubectl("delete", "node", "--ignore-not-found", name)
