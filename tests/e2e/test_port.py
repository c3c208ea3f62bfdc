# SPDX-License-Identifier: Apache-2.0
"""The kubelet port: who gets in, by which credential, for what; and what strangers can't do to it."""

import datetime
import json
import shutil

import pytest

from credentials import Authority
from own_kubelet import start_kubelet as _start_kubelet  # pylint: disable=unused-import
from polling import eventually, holds

LOGS = "/containerLogs/default/nobody/main"


@pytest.fixture(name="authority", scope="module")
def _authority(world, tmp_path_factory):
    pki = world.folder / "control-plane/pki"
    return Authority(tmp_path_factory.mktemp("signed"), pki / "ca.crt", pki / "ca.key")


@pytest.fixture(name="foreign", scope="module")
def _foreign(tmp_path_factory):
    return Authority.new(tmp_path_factory.mktemp("foreign"))


def role(name, subresources, verbs, *subjects):
    return [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
             "metadata": {"name": name},
             "rules": [{"apiGroups": [""], "resources": [f"nodes/{s}" for s in subresources],
                        "verbs": verbs}]},
            binding(name, name, *subjects)]


def binding(name, cluster_role, *subjects):
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": name}, "subjects": list(subjects),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": cluster_role}}


def user(name):
    return {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}


@pytest.fixture(name="tokens")
def _tokens(world, namespace):
    """Tokens of service accounts by what these may do."""
    def account(name):
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    objects = [
        *role("port-scraper", ["metrics", "stats", "pods"], ["get"], account("scraper")),
        *role("port-proxy", ["proxy"], ["get"], account("proxy")),
        binding("port-admin", "system:kubelet-api-admin", user("api-server")),
    ]
    accounts = ("scraper", "proxy", "nobody")
    world.apply(namespace, *objects, *(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        for name in accounts))
    yield {name: world.kubectl("create", "token", "-n", namespace, name).stdout.strip()
           for name in accounts}
    for thing in objects:
        world.kubectl("delete", thing["kind"], thing["metadata"]["name"])


def gmt(hours):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return moment.strftime("%y%m%d%H%M%SZ")


def test_the_port_answers_each_credential_what_its_rights_say(
        world, kubelet, tokens, authority, foreign):
    port = kubelet().wait().port
    masters = "/O=system:masters/CN=kube-apiserver-kubelet-client"
    certificates = {
        "none": None,
        "foreign": foreign.sign(masters),
        "expired": authority.sign(masters, start=gmt(-2), end=gmt(-1)),
        "not yet valid": authority.sign(masters, start=gmt(1), end=gmt(2)),
        "of a server": authority.sign(masters, usage="serverAuth"),
        "wrong group": authority.sign("/O=developers/CN=jane"),
        "masters": authority.sign(masters),
        "api-server": authority.sign("/CN=api-server"),
    }
    seen, expected = {}, {}

    def row(status, path, certificate=None, token=None, method="GET"):
        key = f"{method} {path} {certificate or ''} {token or ''}".strip()
        expected[key] = status
        text = tokens.get(token, token)
        seen[key] = port.ask(path, certificates.get(certificate), text, method)[0]

    row(200, "/healthz")
    for path in ("/pods", LOGS, "/metrics", "/nothing"):
        row(401, path)
        for bad in ("foreign", "expired", "not yet valid", "of a server"):
            row(401, path, bad)
        row(401, path, token="good.for.nothing")
        row(403, path, "wrong group")
        row(403, path, token="nobody")
    # The system:masters of the certificate, and a user by ClusterRole system:kubelet-api-admin.
    for good in ("masters", "api-server"):
        row(200, "/pods", good)
        row(404, LOGS, good)
        row(404, "/nothing", good)
        row(404, "/portForward/default/nobody", good, method="POST")
    # A certificate that does not hold does not spoil a token that does.
    row(200, "/pods", "foreign", "scraper")
    row(200, "/pods", token="scraper")
    row(403, LOGS, token="scraper")
    row(403, "/exec/default/nobody/main", token="scraper", method="POST")
    row(200, "/pods", token="proxy")
    row(404, LOGS, token="proxy")
    row(403, "/metrics", token="proxy")
    row(403, "/exec/default/nobody/main", token="proxy", method="POST")
    row(403, "/metrics/../exec/default/nobody", token="scraper", method="POST")
    row(403, "/%6detrics%2F..%2Fexec", token="scraper")
    assert seen == expected
    assert port.ask("/metrics", token=tokens["scraper"])[0] not in (401, 403)
    assert port.ask("/pods", certificates["wrong group"]) == (
        403, "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])\n")
    assert port.ask("/pods", token="bad") == (401, "Unauthorized")


def test_a_token_that_is_revoked_stops_working(world, kubelet, tokens, namespace):
    port = kubelet(authentication_token_webhook_cache_ttl="1s").wait().port
    assert port.ask("/pods", token=tokens["scraper"])[0] == 200
    world.core.delete_namespaced_service_account("scraper", namespace)
    eventually(lambda: port.ask("/pods", token=tokens["scraper"])[0] == 401, 30, "it is revoked")


def test_a_right_that_is_taken_away_stops_working(world, kubelet, tokens):
    port = kubelet(authorization_webhook_cache_authorized_ttl="1s").wait().port
    assert port.ask("/pods", token=tokens["scraper"])[0] == 200
    world.kubectl("patch", "clusterrole", "port-scraper", "--type=json", "-p",
                  json.dumps([{"op": "replace", "path": "/rules", "value": []}]))
    eventually(lambda: port.ask("/pods", token=tokens["scraper"])[0] == 403, 30, "it is taken away")


def test_nobody_gets_in_while_the_api_server_is_away(world, kubelet, tmp_path, authority):
    # Nothing listens there.
    config = tmp_path / "kubeconfig"
    whole = json.loads(world.kubectl("config", "view", "--raw", "-o", "json").stdout)
    whole["clusters"][0]["cluster"]["server"] = "https://10.240.0.1:1"
    config.write_text(json.dumps(whole))
    port = kubelet(kubeconfig=config, cluster_id="none").wait().port
    assert port.ask("/healthz")[0] == 200
    status, body = port.ask("/pods", authority.sign("/O=system:masters/CN=admin"))
    assert status == 500 and body.startswith("Authorization error (user=admin, verb=get"), body
    assert port.ask("/pods", token="t")[0] == 401
    assert port.ask("/pods")[0] == 401


def test_without_a_client_ca_and_reviews_of_tokens_only_healthz_answers(
        kubelet, tokens, authority):
    port = kubelet(client_ca_file=None, authentication_token_webhook="false").wait().port
    assert port.ask("/healthz")[0] == 200
    assert port.ask("/pods", authority.sign("/O=system:masters/CN=admin"))[0] == 401
    assert port.ask("/pods", token=tokens["scraper"])[0] == 401


def test_anonymous_requests_are_authorized_where_they_are_let_in(world, kubelet, namespace):
    port = kubelet(anonymous_auth="true",
                   authorization_webhook_cache_unauthorized_ttl="1s").wait().port
    status, body = port.ask("/pods")
    assert status == 403 and "user=system:anonymous" in body
    assert port.ask("/pods", token="good.for.nothing")[0] == 401
    objects = role("port-anonymous", ["pods"], ["get"], user("system:anonymous"))
    world.apply(namespace, *objects)
    try:
        eventually(lambda: port.ask("/pods")[0] == 200, 30, "the right is noticed")
        assert port.ask(LOGS)[0] == 403
    finally:
        for thing in objects:
            world.kubectl("delete", thing["kind"], thing["metadata"]["name"])


def test_another_client_ca_counts_at_once_also_on_open_connections(
        world, kubelet, tmp_path, authority, foreign):
    file = tmp_path / "client-ca.crt"
    shutil.copy(authority.certificate, file)
    port = kubelet(client_ca_file=file).wait().port
    subject = "/O=system:masters/CN=admin"
    old, new = authority.sign(subject), foreign.sign(subject)
    assert (port.ask("/pods", old)[0], port.ask("/pods", new)[0]) == (200, 401)
    connection = port.connection(old)

    def status():
        connection.request("GET", "/pods")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    assert status() == 200
    socket = connection.sock
    # What is broken is not taken.
    file.write_text("no certificate")
    holds(lambda: status() == 200, 5, "a broken file counts for nothing")
    replacement = tmp_path / "replacement"
    shutil.copy(foreign.certificate, replacement)
    replacement.rename(file)
    eventually(lambda: port.ask("/pods", new)[0] == 200, 30, "the new authority counts")
    assert port.ask("/pods", old)[0] == 401
    assert status() == 401 and connection.sock is socket
    connection.close()
