"""A server in front of another one that now and then does not answer, or answers 500.

    python unsteady_proxy.py PORT OTHER_PORT MODE_FILE

The file says what is done with requests from now on: ``pass`` hands them on; ``hang`` reads them and never answers;
``500`` answers 500. Every other request that is not answered well was handed on all the same: whoever asked cannot know
whether it was done.
"""

from __future__ import annotations

import http.client
import itertools
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DROPPED = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


class Handler(BaseHTTPRequestHandler):
    """Hands a request on, or does not."""

    protocol_version = "HTTP/1.1"
    other: int
    mode: Path
    counter = itertools.count()

    def handle_any(self) -> None:
        """Whatever the method."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = self.mode.read_text()
        answer = self._asked(body) if mode == "pass" or next(self.counter) % 2 else None
        if mode == "hang":
            self.close_connection = True
            while self.mode.read_text() == "hang":
                time.sleep(0.05)
            return
        status, headers, content = answer if mode == "pass" and answer else (500, [], b"")
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        other = http.client.HTTPConnection("127.0.0.1", self.other)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        other.request(self.command, self.path, body, headers)
        answer = other.getresponse()
        content = answer.read()
        other.close()
        return answer.status, answer.getheaders(), content

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    setattr(Handler, f"do_{method}", Handler.handle_any)


class Server(ThreadingHTTPServer):
    """One whose clients may go away."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """They do."""


if __name__ == "__main__":
    Handler.other, Handler.mode = int(sys.argv[2]), Path(sys.argv[3])
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
