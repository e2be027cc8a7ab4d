"""A small Hub in this process, that can be out of order in every way that matters."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """What is published under one name, and what is wrong with it."""

    files: dict[str, bytes]
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    gated: bool = False
    status: int = 200
    cut: str = ""
    """A file whose sending breaks off in the middle."""
    claimed: dict[str, int] = field(default_factory=dict)
    """Sizes that are announced instead of the true ones."""


@dataclass
class Hub:
    """Repositories by name, and which files were sent."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve for as long as the block lasts."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.asked.append(path)
        parts = path.removeprefix("api/models/").split("/")
        repository = self.hub.repositories.get("/".join(parts[:2]))
        if repository is None:
            return self._fail(404, "RepoNotFound")
        if repository.status != 200:
            return self._fail(repository.status, "")
        if path.startswith("api/"):
            return self._answer_api(repository, "/".join(parts[:2]), parts[2:])
        return self._answer_file(repository, parts[3], "/".join(parts[4:]))

    def _answer_api(self, repository: Repository, name: str, rest: list[str]) -> None:
        kind, revision = (rest or ["revision", "main"])[:2]
        commit = self._commit(repository, revision)
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        sizes = {
            each: repository.claimed.get(each, len(data)) for each, data in repository.files.items()
        }
        if kind == "tree":
            entries = [
                {"type": "file", "path": each, "size": size, "oid": _etag(repository.files[each])}
                for each, size in sizes.items()
            ]
            return self._send_json(entries)
        siblings = [{"rfilename": each, "size": size} for each, size in sizes.items()]
        return self._send_json({"id": name, "sha": commit, "siblings": siblings})

    def _answer_file(self, repository: Repository, revision: str, name: str) -> None:
        if repository.gated:
            return self._fail(403, "GatedRepo")
        commit = self._commit(repository, revision)
        if commit is None or name not in repository.files:
            return self._fail(404, "EntryNotFound" if commit else "RevisionNotFound")
        data = repository.files[name]
        self.send_response(200)
        self.send_header("ETag", f'"{_etag(data)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(repository.claimed.get(name, len(data))))
        self.end_headers()
        if self.command == "GET":
            self.hub.sent.append(name)
            is_cut = name == repository.cut
            self.wfile.write(data[: len(data) // 2] if is_cut else data)
            self.close_connection = is_cut or name in repository.claimed

    def _commit(self, repository: Repository, revision: str) -> str | None:
        known = repository.revisions.values()
        return revision if revision in known else repository.revisions.get(revision)

    def _send_json(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
