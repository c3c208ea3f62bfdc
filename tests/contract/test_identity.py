# SPDX-License-Identifier: Apache-2.0
"""Tokens: azure-identity by client secret and by managed identity, and what ARM says to bad ones."""

import azure.core.exceptions
import azure.identity
import pytest

import bodies
import clients
from emulator import CLIENT, RESOURCE_GROUP, TENANT
from polling import eventually

VERSION = "2025-09-01"


def names(client):
    return [group.name for group in client.container_groups.list_by_resource_group(RESOURCE_GROUP)]


def test_client_secret(simulated, rest, group):
    rest.create(group, bodies.group())
    with clients.management(simulated, VERSION) as client:
        assert group in names(client)


@pytest.mark.parametrize("more", [{}, {"client_id": CLIENT}])
def test_managed_identity(simulated, rest, group, monkeypatch, more):
    rest.create(group, bodies.group())
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulated.imds)
    identity = azure.identity.ManagedIdentityCredential(**more)
    with clients.management(simulated, VERSION, identity) as client:
        assert group in names(client)


def test_unknown_managed_identity(simulated, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulated.imds)
    identity = azure.identity.ManagedIdentityCredential(
        client_id="00000000-0000-0000-0000-0000000000ff")
    with clients.management(simulated, VERSION, identity) as client:
        with pytest.raises(azure.core.exceptions.ClientAuthenticationError, match="dentity"):
            names(client)


def test_wrong_secret(simulated):
    identity = clients.credential(simulated, "wrong")
    with clients.management(simulated, VERSION, identity) as client:
        with pytest.raises(azure.core.exceptions.ClientAuthenticationError, match="AADSTS7000215"):
            names(client)


@pytest.mark.parametrize("form, status, error, number", [
    ({"client_id": "nobody"}, 400, "unauthorized_client", 700016),
    ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
    ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ({"scope": "https://management.azure.com"}, 400, "invalid_scope", 1002012),
    ({"scope": "/.default"}, 400, "invalid_scope", 1002012),
    ({"scope": "openid profile"}, 400, "invalid_scope", 1002012),
    ({"scope": f"{clients.SCOPE} https://graph.microsoft.com/.default"}, 400, "invalid_scope",
     1002012),
])
def test_token_refusals(rest, form, status, error, number):
    answer = rest.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_codes"] == [number]


@pytest.mark.parametrize("authorization, code, description", [
    ("", "AuthenticationFailed", "missing 'Authorization' header"),
    ("Basic dXNlcjpwYXNz", "AuthenticationFailed", "missing 'Authorization' header"),
    ("Bearer of-bad-news", "InvalidAuthenticationToken", "invalid"),
])
def test_refused_authorization(rest, authorization, code, description):
    answer = rest.call("GET", rest.path(), headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    challenge = answer.headers["WWW-Authenticate"]
    assert f'authorization_uri="{rest.service.url}/{TENANT}"' in challenge
    assert 'error="invalid_token"' in challenge and description in challenge
    assert answer.headers["x-ms-failure-cause"] == "gateway"


@pytest.mark.parametrize("scope", [
    "openid offline_access profile " + clients.SCOPE,
    "https://management.core.windows.net//.default"])
def test_scopes_that_clients_send(rest, scope):
    token = rest.token(scope=scope).json()["access_token"]
    answer = rest.call("GET", rest.path(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_token_for_another_audience(rest):
    token = rest.token(scope="https://graph.microsoft.com/.default").json()["access_token"]
    answer = rest.call("GET", rest.path(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"


@pytest.fixture(scope="module", name="short_lived")
def _short_lived(start_emulator):
    return start_emulator("short-lived-tokens", "--token-lifetime", "2s")


def token_requests(service):
    return [exchange.path.endswith("/token") for exchange in service.recorder.exchanges()].count(True)


def test_sdk_fetches_a_new_token_when_one_expired(short_lived):
    """azure-identity keeps no token that has less than five minutes left."""
    with clients.management(short_lived, VERSION) as client:
        names(client)
        before = token_requests(short_lived)
        rest = clients.Rest(short_lived)
        rest.call("GET", rest.path())
        eventually(lambda: rest.call("GET", rest.path()).status_code == 401, 10, "a token expired")
        refused = rest.call("GET", rest.path())
        assert refused.json()["error"]["code"] == "ExpiredAuthenticationToken"
        names(client)
        # One is the plain client's own.
        assert token_requests(short_lived) > before + 1
