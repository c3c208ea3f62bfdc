# SPDX-License-Identifier: Apache-2.0
"""Runs `aci-kubelet check` and reads its report."""

import json
import os
import subprocess

ARM = "https://10.240.0.3:8443"
# Another one than the kubelet's own.
FREE_PORT = "10399"
NODE = "virtual-kubelet"


class Checker:
    """`aci-kubelet check` with the options that the world's aci-kubelet has, but another port."""

    def __init__(self, world):
        self.world = world

    def run(self, *output, port=FREE_PORT, **options):
        """None leaves an option out."""
        value = self.world.values
        secret = options.pop("secret", value["SECRET"])
        flags = {"kubeconfig": self.world.folder / "kubelet.kubeconfig", "nodename": NODE,
                 "node-ip": self.world.node_address, "port": port,
                 "subscription": value["SUBSCRIPTION"], "resource-group": value["RESOURCE_GROUP"],
                 "location": value["LOCATION"], "subnet-id": value["SUBNET"], "arm-endpoint": ARM,
                 "authority-host": ARM, "azure-ca-file": self.world.folder / "aci/ca.crt",
                 **{name.replace("_", "-"): given for name, given in options.items()}}
        env = {"PATH": os.environ["PATH"], "AZURE_TENANT_ID": value["TENANT"],
               "AZURE_CLIENT_ID": value["CLIENT"], "AZURE_CLIENT_SECRET": secret}
        return subprocess.run(
            [str(self.world.programs / "aci-kubelet"), "check", *output,
             *(f"--{name}={given}" for name, given in flags.items() if given is not None)],
            env=env, capture_output=True, text=True, timeout=240, check=False)

    def found(self, **options):
        """Check -> (state, detail, remedy)."""
        run = self.run("--output", "json", **options)
        assert run.stderr == "", run.stderr
        report = json.loads(run.stdout)
        found = {one["name"]: (one["state"], one["detail"], one.get("remedy", ""))
                 for one in report["checks"]}
        failed = [name for name, one in found.items() if one[0] == "failed"]
        assert report["ok"] is not failed
        assert run.returncode == (1 if failed else 0), report
        assert all(one[2] for one in found.values() if one[0] in ("failed", "warning")), report
        return found

    def only(self, name, state, detail, remedy, **options):
        """That check alone is not as it should be."""
        found = self.found(**options)
        others = {other: one for other, one in found.items() if other != name and one[0] != "ok"}
        assert found[name][0] == state, found
        assert detail in found[name][1] and remedy in found[name][2], found[name]
        return others
