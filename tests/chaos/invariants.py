# SPDX-License-Identifier: Apache-2.0
"""What must hold, as functions of what was seen from outside: the API server's pods and the service's
groups. Nothing of the kubelet's own words counts."""

import hashlib

TAG = "aci-kubelet-"


def group_name(namespace, name, uid):
    """The format that groups in the wild have; the names used here need no replacement."""
    digest = hashlib.sha256(uid.encode()).hexdigest()[:20]
    return f"{namespace}-{name}"[:42].rstrip("-") + "-" + digest


def tags_of(cluster, node, namespace, pod, uid):
    return {TAG + key: value for key, value in (
        ("format", "1"), ("cluster", cluster), ("node", node), ("namespace", namespace),
        ("pod", pod), ("uid", uid))}


class Sightings:
    """What the groups were like at any time, by name: a PUT on a group that exists may be covered up
    by a later deletion."""

    def __init__(self):
        self.incarnations, self.puts = {}, {}

    def see(self, groups):
        for group in groups:
            name = group["name"]
            self.incarnations.setdefault(name, set()).add(group["uid"])
            self.puts[name] = max(self.puts.get(name, 0), group["puts"])


class Record:
    """One pod that was created: what was asked for, and what was done to it from outside."""

    def __init__(self, name, uid, kind, ends, is_held):
        self.name, self.uid, self.kind, self.ends, self.is_held = name, uid, kind, ends, is_held
        self.is_deleted = False
        self.removed = self.restarted = 0  # its group, by somebody else

    def phases(self):
        phases = set(self.ends)
        if self.kind == "wrong":
            # Whoever comes after the world is well again is served.
            phases.add("Running")
        if self.restarted and self.kind in ("task", "bug", "job"):
            phases |= {"Succeeded", "Failed"}
        if self.removed:
            phases |= {"Succeeded", "Failed", "Running"}
        return phases

    def __str__(self):
        return f"pod {self.name} ({self.uid[:8]})"


def is_ours(group, cluster, node):
    tags = group.get("tags") or {}
    return (tags.get(TAG + "format"), tags.get(TAG + "cluster"), tags.get(TAG + "node")) == (
        "1", cluster, node)


def waiting_reason(status):
    for container in status.get("containerStatuses", []):
        reason = container.get("state", {}).get("waiting", {}).get("reason")
        if reason:
            return reason
    return status.get("reason")


def check_pod(pod, record, groups):
    """Invariant 1, of one object of the API server; groups: those with its UID."""
    status = pod.get("status", {})
    phase = status.get("phase")
    names = [group["name"] for group in groups]
    if "deletionTimestamp" in pod["metadata"]:
        if not pod["metadata"].get("finalizers"):
            yield f"{record} is still there, though it was deleted"
        elif phase not in ("Succeeded", "Failed"):
            yield f"{record} was deleted and is {phase}"
        return
    if phase not in record.phases():
        yield f"{record} is {phase} ({status.get('reason')}: {status.get('message')}), " \
              f"not {sorted(record.phases())}"
    if len(groups) > 1:
        yield f"{record} has more than one group: {names}"
    if phase == "Running" and not groups:
        yield f"{record} is Running without a group"
    if phase == "Pending" and not waiting_reason(status):
        yield f"{record} is Pending and does not say why"
    if phase == "Failed" and record.ends == {"Failed"} and record.kind != "bug" and groups:
        yield f"{record} was refused and has a group: {names}"
    if phase == "Failed" and record.kind != "bug" and not record.removed and \
            not record.restarted and not status.get("reason"):
        yield f"{record} is Failed and does not say why"
    for group in groups if phase == "Running" else []:
        if record.kind == "serve" and group["state"] != "Running":
            yield f"{record} is Running, its group is {group['state']}"


def not_yet(pods, groups, records, cluster, node):
    """What does not hold, but may come: everything is given two minutes."""
    live = {pod["metadata"]["uid"]: pod for pod in pods}
    ours = [group for group in groups if is_ours(group, cluster, node)]
    for uid, pod in live.items():
        mine = [group for group in ours if group["tags"][TAG + "uid"] == uid]
        yield from check_pod(pod, records[uid], mine)
    for record in records.values():
        if record.is_deleted and record.uid in live and not record.is_held:
            yield f"{record} was deleted and is still there"
        if not record.is_deleted and record.uid not in live:
            yield f"{record} was never deleted and is gone"
    for group in ours:
        uid = group["tags"][TAG + "uid"]
        pod = live.get(uid)
        if pod is None:
            yield f"group {group['name']} has no pod"
        elif "deletionTimestamp" in pod["metadata"]:
            yield f"group {group['name']} is there, though {records[uid]} was deleted"


def never(groups, sightings, records, namespace, planted):
    """What may never be, at any time. planted: name -> the group of somebody else as it was."""
    now = {group["name"]: group for group in groups}
    for name, before in planted.items():
        group = now.get(name)
        if group is None:
            yield f"group {name} of somebody else is gone"
        elif (group["uid"], group["generation"], group["puts"]) != before:
            yield f"group {name} of somebody else was touched"
    removed = {group_name(namespace, one.name, one.uid): one.removed for one in records.values()}
    for name, count in sightings.puts.items():
        if count > 1:
            yield f"group {name} was there when it was PUT again: its containers were started again"
    for name, uids in sightings.incarnations.items():
        if name in removed and len(uids) > 1 + removed[name]:
            yield f"group {name} was created {len(uids)} times and removed by others " \
                  f"{removed[name]} times"


def too_many_refused(stats):
    """Invariant 3: requests wait, they are not refused. What was ordered is not counted here."""
    refused = sum(stats.get("throttled", {}).values())
    asked = sum(stats["operations"].values())
    if refused > asked / 100:
        yield f"{refused} of {asked} requests were answered 429"
