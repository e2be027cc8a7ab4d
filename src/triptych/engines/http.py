"""JSON over HTTP, for one server: timeouts, tries with growing pauses, errors as one sentence.

Standard library only. Redirects are never followed, so a key goes nowhere but to the address that
was given; proxies from the environment are not used.
"""

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from triptych.engines.hearing import events, shorten, spoken
from triptych.errors import EngineError, UsageError

AGAIN = (429, 500, 502, 503, 504)
"""What a server may answer when it is only busy or starting."""

BROKE_OFF = "broke off in the middle of its answer; ask again"

_MOST_LINE = 2**20
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """Where a server is and how patient to be with it."""

    url: str
    """Like `http://localhost:8000` or `https://host/v1`; without a path, `/v1` is meant."""

    key: str = field(default="", repr=False)
    """Sent as a bearer token; empty for none."""

    key_variable: str = ""
    """Where the key comes from, for messages."""

    timeout_s: float = 300.0
    """Longest silence."""

    connect_timeout_s: float = 10.0
    """Longest wait for a connection."""

    num_tries: int = 4
    """Requests made at most where the server is busy or breaks off before it answers."""

    pause_s: float = 0.5
    """Before the second try, twice that before the third, and so on, unless the server says."""

    max_bytes: int = 64 * 2**20
    """Of an answer that is not streamed."""

    def __post_init__(self) -> None:
        if not (self.timeout_s > 0 and self.connect_timeout_s > 0 and self.num_tries >= 1):
            raise UsageError(
                f"the timeout must be above 0 seconds, with at least one try, got "
                f"{self.timeout_s:g} and {self.num_tries}"
            )
        if re.search(r"[^\x21-\x7e]", self.key):
            raise UsageError(
                f"the key in ${self.key_variable} holds spaces or other characters that no key has"
            )


class RefusalError(EngineError):
    """The server answered with an error."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said
        """Its own words."""


class Server:
    """Asks one server."""

    def __init__(self, config: ServerConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        self.config = config
        self.address = _split(config.url)
        self.url = self.address.geturl()
        self._sleep = sleep

    def get(self, path: str) -> Any:
        """What is there, as JSON.

        Raises:
            EngineError: the server does not answer, refuses, or sends no JSON.
        """
        with self._asked("GET", path, None) as response:
            return self._whole(response)

    def post(self, path: str, body: object) -> Any:
        """The answer to a request, as JSON.

        Raises:
            EngineError: see `get`.
        """
        with self._asked("POST", path, body) as response:
            return self._whole(response)

    def stream(self, path: str, body: object) -> Generator[Any]:
        """The events of an answer, each as JSON, until the server says that it is done.

        A server that does not stream answers with one event. Whoever closes the generator closes
        the connection.

        Raises:
            EngineError: see `get`; or the stream breaks off, or holds what makes no sense.
        """
        with self._asked("POST", path, body) as response:
            if "json" in (response.getheader("content-type") or ""):
                yield self._whole(response)
                return
            for data in events(self._lines(response)):
                if data.strip() == "[DONE]":
                    return
                yield self._parsed(data)

    def broken(self, reason: str) -> EngineError:
        """The sentence about an answer that cannot be used."""
        return EngineError(f"the server at {self.url} {reason}")

    # -- one request ------------------------------------------------------------------------

    @contextmanager
    def _asked(self, method: str, path: str, body: object) -> Generator[http.client.HTTPResponse]:
        """The head of a good answer; tries again where that may help."""
        for number in range(1, self.config.num_tries + 1):
            connection = self._connection()
            try:
                response = self._send(connection, method, path, body)
                if response is not None and response.status < 300:
                    with self._explained():
                        yield response
                    return
                is_last = number == self.config.num_tries
                if response is None:
                    if is_last:
                        raise self.broken(
                            f"breaks the connection before it answers ({number} tries); "
                            "look at its log"
                        )
                elif is_last or response.status not in AGAIN:
                    raise self._refusal(response, number)
                pause = self._pause(response, number)
            finally:
                connection.close()
            self._sleep(pause)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.address.hostname or "", self.address.port
        patience = self.config.connect_timeout_s
        if self.address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=patience, context=context)
        return http.client.HTTPConnection(host, port, timeout=patience)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object
    ) -> http.client.HTTPResponse | None:
        """Send a request and read the head of its answer; None where the connection broke."""
        headers = {"Accept": "application/json, text/event-stream", "User-Agent": "triptych"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False).encode()
        if self.config.key:
            headers["Authorization"] = f"Bearer {self.config.key}"
        self._connect(connection)
        try:
            with self._explained():
                connection.request(method, self.address.path + path, data, headers)
                return connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            return None

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except socket.gaierror as error:
            raise self.broken("cannot be found: no such host; check --url") from error
        except ssl.SSLError as error:
            raise self.broken(
                f"has no good certificate ({error.reason}); check --url, or use http:// if that is "
                "what it speaks"
            ) from error
        except TimeoutError as error:
            raise self.broken(
                f"takes no connection within {self.config.connect_timeout_s:g} s; check --url"
            ) from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise self.broken(f"does not answer ({reason}); is it running?") from error
        connection.sock.settimeout(self.config.timeout_s)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """What goes wrong while an answer is read, as sentences; a broken connection as it is."""
        try:
            yield
        except TimeoutError as error:
            raise self.broken(
                f"has said nothing for {self.config.timeout_s:g} s; raise --timeout, or look at "
                "its log"
            ) from error
        except (ConnectionError, http.client.RemoteDisconnected):
            raise
        except (http.client.HTTPException, ssl.SSLError) as error:
            raise self.broken(
                f"does not speak HTTP as it should ({type(error).__name__}); check --url"
            ) from error

    # -- its answer -------------------------------------------------------------------------

    def _whole(self, response: http.client.HTTPResponse) -> Any:
        try:
            content = response.read(self.config.max_bytes + 1)
        except (http.client.IncompleteRead, ConnectionError) as error:
            raise self.broken(BROKE_OFF) from error
        if len(content) > self.config.max_bytes:
            raise self.broken(f"answered with more than {self.config.max_bytes:,} bytes")
        if response.length:  # of the bytes that its head promised
            raise self.broken(BROKE_OFF)
        return self._parsed(content)

    def _parsed(self, content: str | bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            shown = content if isinstance(content, str) else content.decode(errors="replace")
            raise self.broken(
                f"sent what is no JSON ({shorten(shown, 60)!r}); is {self.config.url} an "
                "OpenAI-compatible server?"
            ) from error

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[str]:
        while True:
            try:
                line = response.readline(_MOST_LINE)
            except (http.client.IncompleteRead, ConnectionError) as error:
                raise self.broken(BROKE_OFF) from error
            if not line:
                return
            if len(line) == _MOST_LINE:
                raise self.broken(f"sent a line of more than {_MOST_LINE:,} bytes")
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise self.broken("sent text that is not UTF-8") from error

    def _pause(self, response: http.client.HTTPResponse | None, number: int) -> float:
        """Seconds before the next try: what the server says, or twice as long each time."""
        said = "" if response is None else response.getheader("retry-after") or ""
        if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", said.strip()):
            return min(float(said), _LONGEST_PAUSE_S)
        return min(self.config.pause_s * 2 ** (number - 1), _LONGEST_PAUSE_S)

    def _refusal(self, response: http.client.HTTPResponse, num_tries: int) -> RefusalError:
        status = response.status
        try:
            said = spoken(response.read(_MOST_LINE))
        except (OSError, http.client.HTTPException):
            said = ""
        where = f"the server at {self.url}"
        told = f"{status}: {said}" if said else f"{status} {response.reason}".strip()
        message = f"{where} refuses the request ({told})"
        if status < 400:
            target = shorten(response.getheader("location") or "another address", 100)
            message = f"{where} sends elsewhere ({status} to {target}); give that with --url"
        elif status in (401, 403):
            variable = self.config.key_variable or "the environment"
            has = "refuses the key in" if self.config.key else "wants a key; put it into"
            message = f"{where} {has} ${variable} ({told})"
        elif status == 404:
            message = f"{where} has no such model or address ({told}); check --model and --url"
        elif status == 413:
            message = f"{where} finds the pictures too large ({told}); lower --max-pixels"
        elif status == 429:
            message = f"{where} is busy ({told}), also after {num_tries} tries; try again later"
        elif status >= 500:
            tried = f", also after {num_tries} tries" if num_tries > 1 else ""
            message = f"{where} fails ({told}){tried}; look at its log"
        return RefusalError(message, status, said)


def _split(url: str) -> SplitResult:
    """The address in parts, checked; its path is that of the API."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise UsageError(f"--url {url!r} is no address ({error}); give one like {_LIKE}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url {url!r} is no address of a server; give one like {_LIKE}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"--url {parts.scheme}://{parts.hostname}... holds a user, a query or a fragment; give "
            f"one like {_LIKE}, and a key in the environment"
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return SplitResult(parts.scheme, host if port is None else f"{host}:{port}", path, "", "")


_LIKE = "http://localhost:8000"
