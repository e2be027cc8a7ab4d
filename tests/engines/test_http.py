"""One server over HTTP: tries again where that helps, and says in one sentence what is wrong."""

import socket

import pytest
from tests.engines.scripted import DONE, event, hangs, hangs_up, says, serving, streams

from triptych.engines.hearing import events, spoken
from triptych.engines.http import RefusalError, Server, ServerConfig
from triptych.errors import EngineError, UsageError


def server(url: str, pauses: list[float] | None = None, **config: object) -> Server:
    return Server(
        ServerConfig(url=url, **config), sleep=[].append if pauses is None else pauses.append
    )


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://host/openai/v1/", "https://host/openai/v1"),
        ("http://host/v1/chat/completions", "http://host/v1"),
        ("http://[::1]:80/v2", "http://[::1]:80/v2"),
    ],
)
def test_an_address_is_that_of_the_api(given, asked):
    assert server(given).url == asked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "is no address of a server"),
        ("file:///etc/passwd", "is no address of a server"),
        ("http://", "is no address of a server"),
        ("http://me:secret@host", "holds a user, a query or a fragment"),
        ("http://host/?key=secret", "holds a user, a query or a fragment"),
        ("http://host:port", "is no address"),
    ],
)
def test_what_is_no_address_is_refused_without_its_secrets(url, said):
    with pytest.raises(UsageError, match=said) as refusal:
        server(url)
    assert "secret" not in str(refusal.value)


def test_a_key_is_sent_and_never_shown():
    with serving(says({})) as scripted:
        asker = server(scripted.url, key="abc", key_variable="K")
        asker.get("/models")
        assert scripted.asked[0].headers["authorization"] == "Bearer abc"
        assert scripted.asked[0].path == "/v1/models"
        assert "abc" not in repr(asker.config)
    with pytest.raises(UsageError, match=r"the key in \$K holds spaces"):
        server("http://host", key="a\r\nb", key_variable="K")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_growing_pauses(status):
    pauses: list[float] = []
    busy = says({"error": "busy"}, status)
    with serving(busy, busy, busy, says({"good": 1})) as scripted:
        assert server(scripted.url, pauses).post("/x", {"a": 1}) == {"good": 1}
        assert [each.body for each in scripted.asked] == [{"a": 1}] * 4
    assert pauses == [0.5, 1.0, 2.0]


def test_a_server_says_how_long_to_wait():
    pauses: list[float] = []
    acts = [says({}, 429, retry_after=after) for after in ("3", "0.25", "9999", "tomorrow")]
    with serving(*acts, says([])) as scripted:
        server(scripted.url, pauses, num_tries=5).get("/x")
    assert pauses == [3.0, 0.25, 30.0, 4.0]


@pytest.mark.parametrize(
    ("status", "said", "tries"),
    [
        (400, r"refuses the request \(400: no\)", 1),
        (401, r"refuses the key in \$K \(401: no\)", 1),
        (404, r"no such model or address \(404: no\); check --model and --url", 1),
        (413, r"finds the pictures too large \(413: no\); lower --max-pixels", 1),
        (422, r"refuses the request \(422: no\)", 1),
        (429, r"is busy \(429: no\), also after 2 tries; try again later", 2),
        (500, r"fails \(500: no\), also after 2 tries; look at its log", 2),
        (501, r"fails \(501: no\); look at its log", 1),
    ],
)
def test_a_refusal_is_a_sentence_with_the_servers_own_words(status, said, tries):
    body = {"error": {"message": "no", "type": "x", "param": None, "code": None}}
    with serving(says(body, status)) as scripted:
        asker = server(scripted.url, key="abc", key_variable="K", num_tries=2)
        with pytest.raises(RefusalError, match=said) as refusal:
            asker.get("/x")
        assert len(scripted.asked) == tries
    assert (refusal.value.status, refusal.value.said) == (status, "no")
    assert "\n" not in str(refusal.value)


def test_a_missing_key_is_told_from_a_wrong_one():
    with (
        serving(says({}, 401)) as scripted,
        pytest.raises(EngineError, match=r"wants a key; put it into \$K"),
    ):
        server(scripted.url, key_variable="K").get("/x")


def test_redirects_are_never_followed():
    with serving(says({}, 307, location="http://elsewhere/v1")) as scripted:
        with pytest.raises(EngineError, match=r"sends elsewhere \(307 to http://elsewhere/v1\)"):
            server(scripted.url, key="abc").get("/x")
        assert len(scripted.asked) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "too long"}}', "too long"),
        (b'{"error": "too long"}', "too long"),
        (b'{"detail": "too long"}', "too long"),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc": ["body"]}]'),
        (b'{"object": "error", "message": "too\\nlong"}', "too long"),
        (b"<html>502 Bad Gateway</html>", ""),
        (b"plain \x1b[31m words\n", "plain [31m words"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"", ""),
        (b"x" * 1000, "x" * 299 + "…"),
    ],
)
def test_servers_say_what_is_wrong_in_many_forms(body, said):
    assert spoken(body) == said


def test_nobody_there_is_said_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        pauses: list[float] = []
        with pytest.raises(
            EngineError, match=r"does not answer \(Connection refused\); is it running"
        ):
            server(url, pauses).get("/x")
    assert pauses == []


def test_a_host_that_does_not_exist_is_said(monkeypatch):
    def unknown(*arguments: object, **named: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(EngineError, match="cannot be found: no such host; check --url"):
        server("http://nowhere.invalid").get("/x")


def test_silence_has_an_end():
    with serving(hangs(5)) as scripted:
        with pytest.raises(EngineError, match=r"has said nothing for 0.1 s; raise --timeout"):
            server(scripted.url, timeout_s=0.1).get("/x")
        assert len(scripted.asked) == 1  # it may still be at work, so it is not asked again


def test_silence_in_the_middle_of_a_stream_has_an_end():
    with serving(hangs(5, event({"a": 1}))) as scripted:
        stream = server(scripted.url, timeout_s=0.1).stream("/x", {})
        assert next(stream) == {"a": 1}
        with pytest.raises(EngineError, match=r"has said nothing for 0.1 s"):
            next(stream)


def test_a_connection_that_breaks_before_the_answer_is_tried_again():
    with serving(hangs_up, says([1])) as scripted:
        assert server(scripted.url).get("/x") == [1]
    with serving(hangs_up) as scripted:
        with pytest.raises(
            EngineError, match=r"breaks the connection before it answers \(2 tries\)"
        ):
            server(scripted.url, num_tries=2).get("/x")
        assert len(scripted.asked) == 2


def test_half_an_answer_is_none():
    def half(handler):
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"choices": [')

    with serving(half) as scripted, pytest.raises(EngineError, match="broke off in the middle"):
        server(scripted.url).get("/x")


def test_what_is_no_json_is_said_with_its_beginning():
    page = says(b"<html>hello</html>", kind="text/html")
    with (
        serving(page) as scripted,
        pytest.raises(EngineError, match=r"no JSON \('<html>hello</html>'\); is http"),
    ):
        server(scripted.url).get("/x")


def test_an_endless_answer_is_refused():
    with (
        serving(says(["x" * 100])) as scripted,
        pytest.raises(EngineError, match="more than 50 bytes"),
    ):
        server(scripted.url, max_bytes=50).get("/x")


def test_what_does_not_speak_http_is_said():
    def garbled(handler):
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")

    with (
        serving(garbled) as scripted,
        pytest.raises(EngineError, match="does not speak HTTP as it should"),
    ):
        server(scripted.url).get("/x")


def test_plain_http_behind_https_is_said():
    with serving(says({})) as scripted:
        url = scripted.url.replace("http:", "https:")
        with pytest.raises(EngineError, match=r"has no good certificate .* check --url"):
            server(url).get("/x")


# -- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_chunked", [False, True])
def test_events_come_however_they_are_cut(is_chunked):
    whole = event({"a": "é"}) + b": ping\n\n" + event({"a": 2}) + DONE + event({"a": 3})
    for size in (1, 3, 1000):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        with serving(streams(*pieces, is_chunked=is_chunked)) as scripted:
            assert list(server(scripted.url).stream("/x", {})) == [{"a": "é"}, {"a": 2}]


def test_events_are_read_as_the_standard_says():
    lines = [
        ": comment\n",
        "event: message\r\n",
        "data: one\r\n",
        "data:two\r\n",
        "\r\n",
        "\n",
        "id: 7\n",
        "\n",
        "data:\n",
        "\n",
        "data: cut off",
    ]
    assert list(events(lines)) == ["one\ntwo", ""]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"data: {not json}\n\n", "no JSON"),
        (b"data: \xff\n\n", "not UTF-8"),
        (b"data: " + b"x" * 2**20 + b"\n\n", "a line of more than 1,048,576 bytes"),
    ],
)
def test_a_stream_that_makes_no_sense_is_said(sent, said):
    with serving(streams(event(1), sent)) as scripted:
        stream = server(scripted.url).stream("/x", {})
        assert next(stream) == 1
        with pytest.raises(EngineError, match=said):
            next(stream)


def test_a_server_that_does_not_stream_answers_with_one_event():
    with serving(says({"whole": True})) as scripted:
        assert list(server(scripted.url).stream("/x", {})) == [{"whole": True}]


def test_a_stream_is_tried_again_only_before_it_begins():
    with serving(says({}, 503), streams(event(1), DONE)) as scripted:
        assert list(server(scripted.url).stream("/x", {})) == [1]
        assert len(scripted.asked) == 2


def test_a_stream_that_is_left_closes_its_connection():
    import threading

    gone = threading.Event()

    def forever(handler):
        streams()(handler)
        try:
            while not handler.server.stopping.wait(0.002):
                handler.wfile.write(event("x" * 1000))
        except (BrokenPipeError, ConnectionResetError):
            gone.set()

    with serving(forever) as scripted:
        stream = server(scripted.url).stream("/x", {})
        next(stream)
        stream.close()
        assert gone.wait(2)


@pytest.mark.parametrize(
    "config", [{"timeout_s": 0.0}, {"connect_timeout_s": -1.0}, {"num_tries": 0}]
)
def test_patience_must_be_above_nothing(config):
    with pytest.raises(UsageError, match="must be above 0 seconds"):
        ServerConfig(url="http://host", **config)
