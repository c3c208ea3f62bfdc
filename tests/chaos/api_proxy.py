# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of the API server that can be told to hurt. "http" ends TLS and reads HTTP/1.1: it
can refuse one request, lose one answer, cut one body. "tcp" passes TLS on as it is, so that HTTP/2
remains, and can cut and delay connections."""

import asyncio
import ssl
import threading

HEAD_LIMIT = 64 * 1024
REASONS = {410: ("Expired", "too old resource version"), 429: ("TooManyRequests", "wait"),
           500: ("InternalError", "ordered by the test"), 503: ("ServiceUnavailable", "away")}


def status_object(code):
    reason, message = REASONS[code]
    return (f'{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}",'
            f'"reason":"{reason}","code":{code}}}').encode()


class Cut(Exception):
    """The connection ends here."""


class Fault:
    def __init__(self, target, count, action):
        self.target, self.left, self.action, self.hits = target, count, action, 0

    def __str__(self):
        what = " ".join(f"{key}={value}" for key, value in self.action.items())
        return f"{self.target} {what}: {self.hits} hits"


def targets_of(method, path):
    """The names by which a fault can mean this request."""
    names = {"any"}
    if method == "GET":
        names.add("watch" if "watch=1" in path else
                  "list" if path.split("?")[0] == "/api/v1/pods" else "get")
    else:
        names.add("write")
        if "/status" in path:
            names.add("status")
    return names


class ApiProxy:
    """Runs in a thread of its own; order(), heal() and close() may be called from any."""

    def __init__(self, mode, listen, upstream, pki):
        self.mode, self.listen, self.upstream, self.pki = mode, listen, upstream, pki
        self.faults, self.struck, self.tasks = [], [], set()
        self.loop = asyncio.new_event_loop()
        self.server = None
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self):
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(10)

    def order(self, target, count, **action):
        asyncio.run_coroutine_threadsafe(self._order(Fault(target, count, action)),
                                         self.loop).result(10)

    def heal(self):
        self.loop.call_soon_threadsafe(self.faults.clear)

    def close(self):
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def _start(self):
        context = None
        if self.mode == "http":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.pki / "apiserver.crt", self.pki / "apiserver.key")
            context.set_alpn_protocols(["http/1.1"])
            self.client = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
            self.client.set_alpn_protocols(["http/1.1"])
        handle = self._serve_http if self.mode == "http" else self._serve_tcp
        self.server = await asyncio.start_server(self._guard(handle), *self.listen, ssl=context,
                                                 limit=HEAD_LIMIT)

    async def _order(self, fault):
        self.faults.append(fault)
        self.struck.append(fault)
        # What is away is away for those who are connected, too.
        if fault.action.get("cut") == 0:
            for task in list(self.tasks):
                task.cancel()

    async def _close(self):
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _take(self, names):
        for fault in self.faults:
            if fault.target in names:
                fault.hits += 1
                fault.left -= 1
                if fault.left <= 0:
                    self.faults.remove(fault)
                return fault.action
        return {}

    def _guard(self, handle):
        async def run(reader, writer):
            task = asyncio.current_task()
            self.tasks.add(task)
            try:
                await handle(reader, writer)
            except (Cut, OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError,
                    asyncio.LimitOverrunError):
                pass
            finally:
                self.tasks.discard(task)
                # No goodbye: a cut is a cut.
                writer.transport.abort()
        return run

    # --- tcp ----------------------------------------------------------------------------------

    async def _serve_tcp(self, reader, writer):
        action = self._take({"any"})
        if action.get("cut") == 0:
            raise Cut
        upstream_reader, upstream = await asyncio.open_connection(*self.upstream)
        self.tasks.add(down := asyncio.ensure_future(self._pump(upstream_reader, writer, True)))
        self.tasks.add(up := asyncio.ensure_future(self._pump(reader, upstream, False)))
        try:
            await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (down, up):
                task.cancel()
                self.tasks.discard(task)
            upstream.transport.abort()

    async def _pump(self, reader, writer, is_answer):
        left, delay = None, 0
        while piece := await reader.read(65536):
            if is_answer:
                action = self._take({"any"})
                left = action.get("cut", left)
                delay = action.get("delay", 0)
            if delay:
                await asyncio.sleep(delay)
            if left is not None:
                piece, left = piece[:left], left - len(piece)
            writer.write(piece)
            await writer.drain()
            if left is not None and left <= 0:
                raise Cut

    # --- http ---------------------------------------------------------------------------------

    async def _serve_http(self, reader, writer):
        upstream = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path = head.split(b" ", 2)[:2]
                method, path = method.decode(), path.decode()
                body = await self._body(head, reader)
                action = self._take(targets_of(method, path))
                if action.get("cut") == 0:
                    raise Cut
                if "delay" in action:
                    await asyncio.sleep(action["delay"])
                if "status" in action:
                    await self._refuse(writer, action["status"])
                    continue
                if "expired" in action and "watch=1" in path:
                    await self._expire(writer)
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection(*self.upstream, ssl=self.client,
                                                             limit=HEAD_LIMIT)
                upstream[1].write(head + body)
                await self._answer(upstream[0], writer, method, action)
        finally:
            if upstream:
                upstream[1].transport.abort()

    @staticmethod
    def _header(head, name):
        for line in head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip()
        return b""

    async def _body(self, head, reader):
        length = int(self._header(head, b"content-length") or 0)
        return await reader.readexactly(length) if length else b""

    @staticmethod
    async def _refuse(writer, code):
        body = status_object(code)
        wait = b"Retry-After: 1\r\n" if code == 429 else b""
        writer.write(b"HTTP/1.1 %d Ordered\r\nContent-Type: application/json\r\n%s"
                     b"Content-Length: %d\r\n\r\n%s" % (code, wait, len(body), body))
        await writer.drain()

    @staticmethod
    async def _expire(writer):
        """As an API server says it inside a watch that it had accepted."""
        event = b'{"type":"ERROR","object":' + status_object(410) + b"}\n"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" %
                     (len(event), event))
        await writer.drain()

    async def _answer(self, reader, writer, method, action):
        head = await reader.readuntil(b"\r\n\r\n")
        while head.split(b" ", 2)[1].startswith(b"1"):
            head = await reader.readuntil(b"\r\n\r\n")
        if action.get("lost"):
            # What was asked for is done by now.
            raise Cut
        writer.write(head)
        left = action.get("cut")

        async def give(piece):
            nonlocal left
            if left is not None:
                piece, left = piece[:left], left - len(piece)
            writer.write(piece)
            await writer.drain()
            if left is not None and left <= 0:
                raise Cut

        status = int(head.split(b" ", 2)[1])
        if method == "HEAD" or status in (204, 304):
            await writer.drain()
        elif self._header(head, b"transfer-encoding").lower() == b"chunked":
            size = -1
            while size != 0:
                line = await reader.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                await give(line + await reader.readexactly(size + 2))
        else:
            length = int(self._header(head, b"content-length") or 0)
            while length > 0:
                piece = await reader.read(min(length, 65536))
                if not piece:
                    raise Cut
                length -= len(piece)
                await give(piece)
