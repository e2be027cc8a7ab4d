"""A small HTTP server that answers as a test wants, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Scripted:
    """Where the server is and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)


Act = Callable[[BaseHTTPRequestHandler], None]
"""How to answer one request."""


def says(body: object, status: int = 200, *, kind: str = "application/json", **headers: str) -> Act:
    """A whole answer."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return act


def streams(*chunks: bytes, is_chunked: bool = False) -> Act:
    """Server-sent events, written as they are; the connection closes behind them."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        if is_chunked:
            handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
            handler.wfile.flush()
        if is_chunked:
            handler.wfile.write(b"0\r\n\r\n")

    return act


def hangs(seconds: float, *chunks: bytes) -> Act:
    """Says something, perhaps, and then nothing for a while."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        if chunks:
            streams(*chunks)(handler)
        handler.server.stopping.wait(seconds)  # type: ignore[attr-defined]

    return act


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection without a word."""


def completion(text: str, reason: str | None = "stop", **more: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], **more}


def chunk(text: str | None = None, reason: str | None = None, **more: object) -> bytes:
    """One event of a streamed completion."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    logprobs = more.pop("logprobs", None)
    if logprobs is not None:
        choice["logprobs"] = logprobs if isinstance(logprobs, dict) else scores(logprobs)
    return event({"choices": [choice], **more})


def scores(values: Sequence[float], tops: Sequence[dict[str, float]] = ()) -> dict[str, Any]:
    """Log-probabilities of tokens, and of the likeliest in their places."""
    content = [{"token": "t", "logprob": value, "bytes": None} for value in values]
    for told, top in zip(content, tops, strict=False):
        told["top_logprobs"] = [{"token": token, "logprob": top[token]} for token in top]
    return {"content": content}


def event(plain: object) -> bytes:
    return b"data: " + json.dumps(plain).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


@contextmanager
def serving(*acts: Act) -> Iterator[Scripted]:
    """A server that answers the first request by the first act, and so on; the last one stays."""
    left = list(acts)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            scripted.asked.append(Asked(self.command, self.path, headers, body))
            act = left.pop(0) if len(left) > 1 else left[0]
            try:
                act(self)
            except (BrokenPipeError, ConnectionResetError):
                gone.set()

        do_GET = do_POST = answer

        def log_message(self, *arguments: object) -> None:
            pass

    gone = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.stopping = threading.Event()  # type: ignore[attr-defined]
    scripted = Scripted(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield scripted
    finally:
        server.stopping.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join()
