"""A server on loopback that answers each request as a test has scripted it, mostly badly."""

import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.asked.append((self.path, dict(self.headers), body))
        script = self.server.scripts.get(path) or [status(404)]
        answer = script.pop(0) if len(script) > 1 else script[0]  # the last one stays
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Server:
    """`with Server() as server: server.scripts["/a.zip"] = [cut(...), file(...)]`; `asked` tells what came."""

    def __enter__(self):
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads, self._http.handle_error = True, lambda *_: None
        self._http.scripts, self._http.asked = {}, []
        self._http.over = self.over = threading.Event()
        self.scripts, self.asked = self._http.scripts, self._http.asked
        self.root = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, *script: Answer, path: str = "/a.zip") -> str:
        self.scripts[path] = list(script)
        return self.root + path

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers, _ in self.asked]


def file(
    content: bytes,
    *,
    etag: str | None = '"one"',
    modified: str | None = None,
    ranges: bool = True,
    vouch: bool = True,
    length: int | None = None,
    chunked: bool = False,
    cut: int | None = None,
    stall: int | None = None,
    reset: bool = False,
    span: str | None = None,
) -> Answer:
    """A file as a good server gives it, and the ways to give it badly.

    Args:
        ranges: honours Range. vouch: honours If-Range.
        length: what Content-Length says; the truth without it. chunked: no Content-Length.
        cut: close the connection after so many bytes of the body; reset: with a reset instead of an end.
        stall: send no more after so many bytes of the body, and keep the connection.
        span: what Content-Range says instead of the truth.
    """

    def answer(handler: Handler) -> None:
        begin, headers = 0, handler.headers
        match = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        known = headers.get("If-Range") in (None, etag, modified) or not vouch
        if match and ranges and known:
            begin = int(match[1])
        if begin >= len(content) and begin:
            status(416, {"Content-Range": f"bytes */{len(content)}"})(handler)
            return
        body = content[begin:]
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", span or f"bytes {begin}-{len(content) - 1}/{len(content)}")
        for name, value in (("ETag", etag), ("Last-Modified", modified)):
            if value:
                handler.send_header(name, value)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body[: min((end for end in (cut, stall) if end is not None), default=len(body))])
        handler.wfile.flush()
        if stall is not None:
            handler.server.over.wait(5)
        if cut is not None or stall is not None or length is not None:
            _hang_up(handler, reset)

    return answer


def _hang_up(handler: Handler, reset: bool) -> None:
    handler.close_connection = True
    if reset:
        time.sleep(0.05)  # what was sent is to arrive first
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(handler.connection.detach())


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(to: str) -> Answer:
    return status(302, {"Location": to})


def document(text: str) -> Answer:
    return status(200, {"Content-Type": "application/json"}, text.encode())
