# SPDX-License-Identifier: Apache-2.0
"""A TLS proxy between any client and aci-emulator that keeps every exchange. Clients need not know of
it: the emulator makes its URLs from the Host header, so that they lead here again."""

import http.client
import http.server
import re
import select
import socket
import ssl
import threading
import urllib.parse

import namespaces

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
UPSTREAM_TIMEOUT = 120


class Exchange:
    """One request and its answer; lost is true where the emulator cut the connection instead."""

    def __init__(self, method, target, request_headers, request_body):
        self.method = method
        self.target = target
        url = urllib.parse.urlsplit(target)
        # azure-cli sends provider//type, and means one slash.
        self.path = re.sub("/+", "/", urllib.parse.unquote(url.path))
        self.query = {name.lower(): value for name, value in urllib.parse.parse_qsl(url.query)}
        self.request_headers = request_headers
        self.request_body = request_body
        self.status, self.headers, self.body = 0, {}, b""
        self.lost = True

    @property
    def version(self):
        return self.query.get("api-version", "")

    def header(self, name):
        return self.headers.get(name)

    def __repr__(self):
        return f"{self.method} {self.path}?api-version={self.version} -> {self.status}"


class Recorder:
    """Listens on 127.0.0.1 of the caller's network; the emulator may be in another one."""

    def __init__(self, certificate, key, ca, upstream, network=None):
        self.upstream, self.network = upstream, network
        self.client_context = ssl.create_default_context(cafile=ca)
        self._exchanges, self._lock = [], threading.Lock()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        recorder = self

        class Handler(_Handler):
            pass
        Handler.recorder = recorder
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # The handshake is done by the connection's own thread.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def add(self, exchange):
        with self._lock:
            self._exchanges.append(exchange)

    def exchanges(self):
        with self._lock:
            return list(self._exchanges)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    recorder = None
    timeout = UPSTREAM_TIMEOUT
    disable_nagle_algorithm = True
    _upstream = None

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def setup(self):
        if self.recorder.network:
            namespaces.enter(self.recorder.network)
        super().setup()

    def finish(self):
        if self._upstream:
            self._upstream.close()
        super().finish()

    def _connection(self):
        if self._upstream is None:
            host, port = self.recorder.upstream
            self._upstream = http.client.HTTPSConnection(
                host, port, timeout=UPSTREAM_TIMEOUT, context=self.recorder.client_context)
        return self._upstream

    def _read_body(self):
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _forward(self):
        if (self.headers.get("Upgrade") or "").lower() == "websocket":
            self._tunnel()
            return
        body = self._read_body()
        exchange = Exchange(self.command, self.path, dict(self.headers), body)
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in HOP_BY_HOP}
        if body or "Content-Length" in self.headers:
            headers["Content-Length"] = str(len(body))
        try:
            upstream = self._connection()
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            exchange.body = answer.read()
        except (OSError, http.client.HTTPException):
            # What the emulator does to its client happens to ours.
            self.recorder.add(exchange)
            self._upstream.close()
            self._upstream = None
            self.close_connection = True
            return
        exchange.status, exchange.headers, exchange.lost = answer.status, answer.headers, False
        self.recorder.add(exchange)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(exchange.body)))
        self.end_headers()
        self.wfile.write(exchange.body)

    def _tunnel(self):
        """A websocket: bytes are passed on both ways until one side ends."""
        self.close_connection = True
        head = f"{self.command} {self.path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in self.headers.items()) + "\r\n"
        host, port = self.recorder.upstream
        with socket.create_connection((host, port), timeout=UPSTREAM_TIMEOUT) as plain, \
                self.recorder.client_context.wrap_socket(plain, server_hostname=host) as upstream:
            upstream.sendall(head.encode("latin-1"))
            ends = {self.connection: upstream, upstream: self.connection}
            while True:
                ready = [end for end in ends if end.pending()]
                ready = ready or select.select(list(ends), [], [], UPSTREAM_TIMEOUT)[0]
                if not ready:
                    return
                for end in ready:
                    try:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)
                    except OSError:
                        return

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _forward
