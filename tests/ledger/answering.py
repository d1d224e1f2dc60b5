"""A small HTTP server that answers as it is told to, and remembers what it was sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Heard(NamedTuple):
    """What a server was sent."""

    method: str
    path: str
    body: str


@contextmanager
def answering(answer: Any) -> Iterator[tuple[str, list[Heard]]]:
    """A real HTTP server that answers with what ``answer(heard)`` gives: a status and a text."""
    told: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.append(Heard(self.command, self.path, body))
            status, text = answer(told[-1])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", told
        finally:
            server.shutdown()
            thread.join()
