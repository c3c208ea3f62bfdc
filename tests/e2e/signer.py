# SPDX-License-Identifier: Apache-2.0
"""The cluster's own signer (kube-controller-manager), told to sign for a short time; and somebody who
approves."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

from polling import eventually
from world import is_running


def _end(pid):
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_running(pid), 90, f"process {pid} ends")


def _start(arguments, log):
    with open(log, "ab") as output:
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output,
                                stderr=subprocess.STDOUT, start_new_session=True)


@contextlib.contextmanager
def signing_for(world, duration):
    """Certificates hold as long ("90s") and from five minutes ago, inside the block. Outside of it
    the controller manager is as the world started it."""
    folder = world.folder / "control-plane"
    record = folder / "run/controller-manager.pid"
    pid = int(record.read_text().split()[0])
    usual = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    log = folder / "log/controller-manager.log"

    def become(arguments, before):
        _end(before)
        process = _start(arguments, log)
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        # As tests/lib/processes.sh knows its processes.
        record.write_text(f"{process.pid} {stat[19]}\n")
        return process
    short = become([*usual, f"--cluster-signing-duration={duration}"], pid)
    try:
        yield
    finally:
        # Collected here: a process that nobody waits for would stay a zombie.
        threading.Thread(target=short.wait, daemon=True).start()
        become(usual, short.pid)


@contextlib.contextmanager
def approving(world, signers, prefix):
    """Approves what is asked of `signers` in a name that begins so; gives the names that it did."""
    done, end = [], threading.Event()

    def pending():
        for item in json.loads(world.kubectl("get", "csr", "-o", "json").stdout)["items"]:
            name = item["metadata"]["name"]
            if (item["spec"]["signerName"] in signers and name.startswith(prefix) and
                    not item["status"].get("conditions")):
                yield name

    def run():
        while not end.wait(0.5):
            for name in pending():
                world.kubectl("certificate", "approve", name)
                done.append(name)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        end.set()
        thread.join()
