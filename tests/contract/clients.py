# SPDX-License-Identifier: Apache-2.0
"""The clients that tests speak through: official ones, and plain HTTP for what they cannot say."""

import azure.identity
import azure.mgmt.containerinstance
import requests

from emulator import CLIENT, LOCATION, RESOURCE_GROUP, SECRET, SUBSCRIPTION, TENANT
from polling import eventually

SCOPE = "https://management.azure.com/.default"
PROVIDER = "/providers/Microsoft.ContainerInstance"


def credential(service, secret=SECRET, **more):
    return azure.identity.ClientSecretCredential(
        TENANT, CLIENT, secret, authority=service.url, disable_instance_discovery=True,
        connection_verify=service.ca, **more)


def management(service, version, identity=None, **more):
    """azure-mgmt-containerinstance; only its addresses are the emulator's."""
    return azure.mgmt.containerinstance.ContainerInstanceManagementClient(
        identity or credential(service), SUBSCRIPTION, base_url=service.url, api_version=version,
        connection_verify=service.ca, **more)


class Rest:
    """ARM over plain HTTP. Answers are returned, whatever their status."""

    def __init__(self, service, version="2025-09-01"):
        self.service, self.version = service, version
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = service.ca
        self._bearer = None

    def token(self, **form):
        form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET,
                "scope": SCOPE, **form}
        return self._session.post(f"{self.service.url}/{TENANT}/oauth2/v2.0/token", data=form,
                                  timeout=120)

    def call(self, method, path, body=None, version=None, headers=None, **query):
        """PATH as given when it is absolute; a header or version of "" is left out."""
        if self._bearer is None:
            self._bearer = "Bearer " + self.token().json()["access_token"]
        version = self.version if version is None else version
        headers = {"Authorization": self._bearer, **(headers or {})}
        query = {**({"api-version": version} if version else {}), **query}
        return self._session.request(
            method, path if path.startswith("https:") else self.service.url + path, json=body,
            params=None if path.startswith("https:") else query, timeout=240,
            headers={name: value for name, value in headers.items() if value})

    @staticmethod
    def path(group=None, *more, subscription=SUBSCRIPTION, resource_group=RESOURCE_GROUP):
        path = f"/subscriptions/{subscription}/resourceGroups/{resource_group}{PROVIDER}/containerGroups"
        return "/".join([path, *([group] if group else []), *more])

    @staticmethod
    def location_path(what):
        return f"/subscriptions/{SUBSCRIPTION}{PROVIDER}/locations/{LOCATION}/{what}"

    def put(self, group, body, **more):
        return self.call("PUT", self.path(group), body, **more)

    def get(self, group):
        return self.call("GET", self.path(group)).json()

    def create(self, group, body):
        """Puts a group and waits until it is created."""
        answer = self.put(group, body)
        assert answer.status_code in (200, 201), answer.text
        return self.settled(group)

    def settled(self, group):
        def look():
            seen = self.get(group)
            return seen["properties"]["provisioningState"] in ("Succeeded", "Failed") and seen
        return eventually(look, 60, f"{group} is provisioned")

    def in_state(self, group, state):
        def look():
            seen = self.get(group)
            return seen["properties"]["instanceView"]["state"] == state and seen
        return eventually(look, 60, f"{group} is {state}")

    def delete_group(self, group):
        answer = eventually(
            lambda: (seen := self.call("DELETE", self.path(group))).status_code != 409 and seen,
            60, f"{group} can be deleted")
        assert answer.status_code in (200, 202, 204), answer.text
        eventually(lambda: self.call("GET", self.path(group)).status_code == 404, 30,
                   f"{group} is gone")
