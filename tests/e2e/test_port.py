# SPDX-License-Identifier: Apache-2.0
"""The kubelet port: who gets in, by which credential, for what; and what strangers can't do to it."""

import base64
import concurrent.futures
import datetime
import json
import re
import shutil
import socket
import time

import pytest

from credentials import Authority
from credentials import cluster_admin as _admin  # pylint: disable=unused-import
from credentials import cluster_authority as _authority  # pylint: disable=unused-import
from own_kubelet import start_kubelet as _start_kubelet  # pylint: disable=unused-import
from polling import eventually, holds

LOGS = "/containerLogs/default/nobody/main"


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
    # However the path is written, it opens what the right is for.
    row(403, "/metrics/../exec/default/nobody", token="scraper", method="POST")
    row(403, "/%6detrics%2F..%2Fexec", token="scraper")
    row(200, "/%70ods?x=/exec", token="scraper")
    for path in ("//pods", "/./pods", "/PODS", "/pods%2F", "/pods%2f..%2fexec/a/b/c",
                 "//exec/default/nobody/main", "/exec?/pods", "/exec/pods"):
        row(403, path, token="scraper")
        row(401, path)
    for path in ("/healthz/../pods", "/healthz%2F..%2Fpods", "//healthz", "/healthz/pods"):
        row(401, path)
    row(400, "/pods%00", token="scraper")
    assert seen == expected
    assert port.ask("/metrics", token=tokens["scraper"])[0] not in (401, 403)
    assert port.ask("/pods", certificates["wrong group"]) == (
        403, "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])\n")
    assert port.ask("/pods", token="bad") == (401, "Unauthorized")


def by_subprotocol(*protocols):
    """Headers of a websocket's request."""
    return {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": ", ".join(protocols)}


def test_websockets_may_show_a_token_as_a_subprotocol(kubelet, tokens):
    port = kubelet().wait().port

    def shown(token):
        text = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        return f"base64url.bearer.authorization.k8s.io.{text}"
    good = shown(tokens["proxy"])
    path = "/exec/default/nobody/main?command=x&output=1"
    for status, *protocols in (
            (404, good, "v4.channel.k8s.io"), (404, "v4.channel.k8s.io", good),
            (401, good), (401, good, good, "v4.channel.k8s.io"), (401, "v4.channel.k8s.io"),
            (401, shown("good.for.nothing"), "v4.channel.k8s.io"),
            (401, good + "=", "v4.channel.k8s.io"),
            (403, shown(tokens["nobody"]), "v4.channel.k8s.io")):
        assert port.ask(path, headers=by_subprotocol(*protocols))[0] == status, protocols
    # Without the upgrade it is a word like any other.
    assert port.ask(path, headers={"Sec-WebSocket-Protocol": f"{good}, x"})[0] == 401


def test_each_request_of_a_connection_shows_its_own_credential(kubelet, tokens):
    connection = kubelet().wait().port.connection()
    wire = None
    for token, path, status in (("scraper", "/pods", 200), (None, "/pods", 401),
                                ("nobody", "/pods", 403), ("scraper", "/pods", 200),
                                (None, "/healthz", 200), (None, "/pods", 401)):
        headers = {"Authorization": f"Bearer {tokens[token]}"} if token else {}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status, (token, path)
        wire = wire or connection.sock
        assert connection.sock is wire
    connection.close()


INSIDE = b"GET /pods HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INSIDE), INSIDE)
LENGTH = b"Content-Length: %d\r\n" % len(INSIDE)
FRAMINGS = [
    # What lies inside a body is no request.
    (LENGTH, INSIDE, [405, 401]),
    (b"Transfer-Encoding: chunked\r\n", CHUNKED, [405, 401]),
    # What two readers may read in two ways is refused, and ends the connection.
    (LENGTH + b"Transfer-Encoding: chunked\r\n", CHUNKED, [400]),
    (LENGTH + b"Content-Length: 0\r\n", INSIDE, [400]),
    (b"Content-Length: +1\r\n", b"x", [400]),
    (b"Content-Length : 1\r\n", b"x", [400]),
    (b"Transfer-Encoding: xchunked\r\n", CHUNKED, [501]),
    (b"Transfer-Encoding:\x0bchunked\r\n", CHUNKED, [400]),
    (b"X: y\n" + LENGTH, INSIDE, [400]),
]


def test_no_request_hides_inside_another(kubelet, tokens):
    port = kubelet().wait().port
    for framing, body, statuses in FRAMINGS:
        with socket.create_connection((port.address, port.number), timeout=120) as plain, \
                port.context().wrap_socket(plain) as wire:
            wire.sendall(b"PUT /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
                         tokens["scraper"].encode() + b"\r\n" + framing + b"\r\n" + body +
                         b"GET /pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = b""
            while piece := wire.recv(1 << 16):
                said += piece
        seen = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", said)]
        assert seen == statuses, framing


def test_a_token_that_is_revoked_stops_working(world, kubelet, tokens, namespace):
    port = kubelet(authentication_token_webhook_cache_ttl="1s").wait().port
    assert port.ask("/pods", token=tokens["scraper"])[0] == 200
    world.core.delete_namespaced_service_account("scraper", namespace)
    eventually(lambda: port.ask("/pods", token=tokens["scraper"])[0] == 401, 90, "it is revoked")


def test_a_right_that_is_taken_away_stops_working(world, kubelet, tokens):
    port = kubelet(authorization_webhook_cache_authorized_ttl="1s").wait().port
    assert port.ask("/pods", token=tokens["scraper"])[0] == 200
    world.kubectl("patch", "clusterrole", "port-scraper", "--type=json", "-p",
                  json.dumps([{"op": "replace", "path": "/rules", "value": []}]))
    eventually(lambda: port.ask("/pods", token=tokens["scraper"])[0] == 403, 90, "it is taken away")


def test_nobody_gets_in_while_the_api_server_is_away(world, kubelet, tmp_path, authority):
    # Nothing listens there.
    config = tmp_path / "kubeconfig"
    whole = json.loads(world.kubectl("config", "view", "--raw", "-o", "json").stdout)
    whole["clusters"][0]["cluster"]["server"] = "https://10.240.0.1:1"
    config.write_text(json.dumps(whole))
    gate = kubelet(kubeconfig=config, cluster_id="none").wait()
    port, began = gate.port, time.monotonic()
    assert port.ask("/healthz")[0] == 200
    status, body = port.ask("/pods", authority.sign("/O=system:masters/CN=admin"))
    assert status == 500 and body.startswith("Authorization error (user=admin, verb=get"), body
    # As many of one address may be asked about at once; more would be told to come again.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        tokens = [f"t{number}" for number in range(16)]
        assert set(pool.map(lambda token: port.ask("/pods", token=token)[0], tokens)) == {401}
    assert port.ask("/pods")[0] == 401
    # Strangers do not fill the log: a line each 10 s.
    complaints = gate.text().count("Can't ask the API server about somebody")
    assert 1 <= complaints <= 2 + (time.monotonic() - began) / 10


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
        eventually(lambda: port.ask("/pods")[0] == 200, 90, "the right is noticed")
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
    wire = connection.sock
    # What is broken is not taken.
    file.write_text("no certificate")
    holds(lambda: status() == 200, 5, "a broken file counts for nothing")
    replacement = tmp_path / "replacement"
    shutil.copy(foreign.certificate, replacement)
    replacement.rename(file)
    eventually(lambda: port.ask("/pods", new)[0] == 200, 90, "the new authority counts")
    assert port.ask("/pods", old)[0] == 401
    assert status() == 401 and connection.sock is wire
    connection.close()
