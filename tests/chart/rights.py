# SPDX-License-Identifier: Apache-2.0
"""What rules of RBAC allow, and what of it was used, by the API server's audit log. RBAC only adds: a
request that no rule allows is refused."""

import collections
import json

# namespace: None for a ClusterRole; names: None for all.
Right = collections.namedtuple("Right", "role namespace group resource verb names")
Request = collections.namedtuple("Request", "namespace group resource verb name code")


def rights(objects):
    """Each verb on each resource of each rule of the roles among `objects`, one by one."""
    found = []
    for one in objects:
        if one["kind"] not in ("Role", "ClusterRole"):
            continue
        for rule in one["rules"]:
            names = tuple(rule["resourceNames"]) if rule.get("resourceNames") else None
            found += [Right(one["metadata"]["name"], one["metadata"].get("namespace"), group, resource,
                            verb, names)
                      for group in rule["apiGroups"] for resource in rule["resources"]
                      for verb in rule["verbs"]]
    return found


def allows(right, request):
    return (right.group, right.resource, right.verb) == \
        (request.group, request.resource, request.verb) and \
        right.namespace in (None, request.namespace) and \
        (right.names is None or request.name in right.names)


def requests(log, user):
    """Those of `user` in an audit log, each kind once."""
    found = set()
    for line in log.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the last one, half written
        ref = event.get("objectRef")
        if event["user"]["username"] != user or not ref:
            continue
        resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
        # A name in the body is none to RBAC.
        name = ref.get("name", "") if event["verb"] != "create" or "/" in resource else ""
        found.add(Request(ref.get("namespace"), ref.get("apiGroup", ""), resource, event["verb"], name,
                          event["responseStatus"]["code"]))
    return found
