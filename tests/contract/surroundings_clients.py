# SPDX-License-Identifier: Apache-2.0
"""surroundings_clients URL CA TOKEN SUBSCRIPTION RESOURCE_GROUP GROUP_ID SUBNET_ID: what the official Python
clients of Azure Monitor and of authorization understand of what stands around container groups; one
JSON object. Runs in azure-cli's environment, which has them all."""

import json
import sys
import time

from azure.core.credentials import AccessToken
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.monitor import MonitorManagementClient


class Given:
    """A credential that has its token."""

    def __init__(self, token):
        self._token = token

    def get_token(self, *_scopes, **_more):
        return AccessToken(self._token, int(time.time()) + 3000)


def main(url, ca, token, subscription, resource_group, group, subnet):
    where = {"base_url": url, "connection_verify": ca}
    monitor = MonitorManagementClient(Given(token), subscription, **where)
    authorization = AuthorizationManagementClient(Given(token), subscription, **where)
    metrics = monitor.metrics.list(group, metricnames="CpuUsage,MemoryUsage", interval="PT1M",
                                   aggregation="Average")
    found = {
        "metrics": {metric.name.value: {
            "unit": metric.unit,
            "points": [point.average for series in metric.timeseries for point in series.data
                       if point.average is not None]} for metric in metrics.value},
        "definitions": sorted(one.name.value for one in monitor.metric_definitions.list(group)),
        "actions": [action for role in authorization.permissions.list_for_resource_group(resource_group)
                    for action in role.actions],
    }
    provider, _, rest = subnet.partition("/providers/")[2].partition("/")
    kind, name, below, child = rest.split("/")
    found["subnetActions"] = [
        action for role in authorization.permissions.list_for_resource(
            resource_group, provider, f"{kind}/{name}", below, child) for action in role.actions]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
