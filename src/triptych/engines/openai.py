"""The engine behind a server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, ...

    POST /v1/chat/completions    streamed as server-sent events, or whole
    GET  /v1/models              which model to ask, where none is named

Pictures travel inside the messages. Fields that not every server knows (log-probabilities, usage
of a stream) are asked for, and left out from then on by a server that refuses them. `top_k`,
`min_p` and a penalty are no fields of OpenAI's own, but vLLM, SGLang and llama.cpp know them.

https://platform.openai.com/docs/api-reference/chat
"""

import os
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from triptych.engines.engine import Alternative, Reply, Streamed, cannot
from triptych.engines.hearing import (
    as_group,
    as_list,
    is_named,
    shorten,
    told_alternatives,
    told_count,
    told_log_probabilities,
)
from triptych.engines.http import BROKE_OFF, RefusalError, Server, ServerConfig
from triptych.engines.wire import (
    CLIPS,
    as_image_url,
    open_frames,
    open_picture,
    write_messages,
    write_structure,
)
from triptych.errors import EngineError, UsageError
from triptych.generate import GenerationOptions
from triptych.generate.stopping import StopGate
from triptych.media import Clip, Picture
from triptych.pictures import ClipConfig
from triptych.processor import Message

CHAT, MODELS = "/chat/completions", "/models"

OPTIONAL = (
    *("stream_options", "logprobs", "top_logprobs", "seed"),
    *("repeat_penalty", "repeat_last_n"),  # llama.cpp's names; others have one of their own
)
"""Fields without which an answer is as good, but says less."""

RENAMED = {"max_tokens": "max_completion_tokens"}
"""What some servers of OpenAI's own call a field."""

NUM_PARALLEL = 8
"""Conversations that a server is asked about at a time."""


def connect(
    url: str,
    model: str | None,
    *,
    key_variable: str,
    timeout_s: float = 300.0,
    max_pixels: int | None = None,
) -> "OpenAIEngine":
    """An engine for a model of a server; without a name, for the only one that it has.

    Raises:
        UsageError: the address is malformed, or the server has several models and none is named.
        EngineError: no model is named and the server does not say which it has.
    """
    key = os.environ.get(key_variable, "").strip()
    config = ServerConfig(url=url, key=key, key_variable=key_variable, timeout_s=timeout_s)
    server = Server(config)
    return OpenAIEngine(server, model or only_model(server), max_pixels=max_pixels)


def only_model(server: Server) -> str:
    """The model that a server has.

    Raises:
        UsageError: it has none or several; lists them.
        EngineError: it does not say.
    """
    listed = as_group(server.get(MODELS)).get("data")
    if not isinstance(listed, list):
        raise server.broken("does not list its models; name one with --model")
    names = [str(as_group(each).get("id")) for each in as_list(cast(object, listed))]
    if len(names) == 1:
        return names[0]
    shown = shorten(", ".join(names), 200) or "none"
    raise UsageError(
        f"the server at {server.url} has {len(names)} models; name one with --model: {shown}"
    )


@dataclass(slots=True)
class _Heard:
    """What has come of an answer so far."""

    gate: StopGate
    log_probabilities: list[float] = field(default_factory=list[float])
    alternatives: list[tuple[Alternative, ...]] = field(
        default_factory=list[tuple[Alternative, ...]]
    )
    finish_reason: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def reply(self) -> Reply:
        scores = tuple(self.log_probabilities)
        num_answer_tokens = told_count(self.usage, "completion_tokens")
        return Reply(
            text=self.gate.text,
            ended=self.finish_reason != "length" or self.gate.is_shut,
            num_prompt_tokens=told_count(self.usage, "prompt_tokens"),
            num_answer_tokens=len(scores) or None
            if num_answer_tokens is None
            else num_answer_tokens,
            log_probability=sum(scores) if scores else None,
            log_probabilities=scores,
            alternatives=tuple(self.alternatives) if any(self.alternatives) else (),
        )


class OpenAIEngine:
    """Asks one model of one server."""

    name = "openai"
    has_beam_search = False
    holds_structure = False
    """It asks for it; a server may hold to it or not."""
    template = None
    coordinates = None

    def __init__(self, server: Server, model: str, *, max_pixels: int | None = None) -> None:
        self.server = server
        self.model_name = model
        self.max_pixels = max_pixels
        self._refused: set[str] = set()
        """Fields that the server does not know."""

    @property
    def known_as(self) -> Sequence[str]:
        return (self.model_name,)

    @property
    def clips(self) -> ClipConfig:
        return CLIPS

    def open(self, picture: object) -> Picture:
        """Open one picture, safely; one that is open stays as it is."""
        return open_picture(picture)

    def open_clip(self, clip: object, fps: float | None, max_frames: int | None) -> Clip:
        """Open one clip, safely; the server gets its frames as pictures."""
        return open_frames(clip, fps, max_frames)

    def answer(
        self, conversations: Sequence[Sequence[Message]], options: GenerationOptions
    ) -> list[Reply]:
        """What the model says to each conversation; a few are asked at a time.

        Raises:
            TokenError: a conversation is malformed.
            EngineError: the server does not answer, refuses, or sends what makes no sense.
            UsageError: the options ask for beam search, a contrast or drafts, or a message holds
                a box or a point.
        """
        bodies = [self._body(messages, options) for messages in conversations]
        if len(bodies) == 1:
            return [self._whole(options, bodies[0])]
        with ThreadPoolExecutor(NUM_PARALLEL) as pool:
            return list(pool.map(partial(self._whole, options), bodies))

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Streamed:
        """What the model says to one conversation, as the server sends it.

        Raises:
            TokenError, EngineError, UsageError: see `answer`; of the server only with the first
                piece.
        """
        body = self._body(messages, options)
        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
        return Streamed(self._pieces(streamed, options))

    # -- asking -----------------------------------------------------------------------------

    def _body(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        _check_options(options)
        body: dict[str, Any] = {
            "model": self.model_name,
            "messages": write_messages(messages, self.name, self.max_pixels, as_image_url),
            "max_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "logprobs": True,
        }
        if options.temperature > 0:
            body["seed"] = options.seed
        if options.top_p < 1:
            body["top_p"] = options.top_p
        if options.top_k:
            body["top_k"] = options.top_k
        if options.min_p:
            body["min_p"] = options.min_p
        if options.repetition_penalty != 1:
            body["repetition_penalty"] = options.repetition_penalty
            body["repeat_penalty"] = options.repetition_penalty
            body["repeat_last_n"] = -1  # tokens of prompt and answer that count: all
        if options.num_alternatives:
            body["top_logprobs"] = options.num_alternatives
        if options.stop:
            body["stop"] = list(options.stop)
        return {**body, **write_structure(options.structure)}

    def _whole(self, options: GenerationOptions, body: dict[str, Any]) -> Reply:
        while True:
            sent = self._known(body)
            try:
                told = self.server.post(CHAT, sent)
                break
            except RefusalError as refusal:
                self._learn(sent, refusal)
        heard = _Heard(StopGate(options.stop))
        self._hear(told, heard)
        heard.gate.flush()
        heard.finish_reason = heard.finish_reason or "stop"  # it is whole, whatever it says
        return self._finished(heard, options)

    def _pieces(
        self, body: dict[str, Any], options: GenerationOptions
    ) -> Generator[str, None, Reply]:
        heard = _Heard(StopGate(options.stop))
        while True:
            sent = self._known(body)
            try:
                with closing(self.server.stream(CHAT, sent)) as events:
                    for event in events:
                        if piece := self._hear(event, heard):
                            yield piece
                break
            except RefusalError as refusal:  # comes before anything was heard
                self._learn(sent, refusal)
        if piece := heard.gate.flush():
            yield piece
        return self._finished(heard, options)

    def _known(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request without what the server does not know."""
        return {
            RENAMED.get(name, name) if name in self._refused else name: value
            for name, value in body.items()
            if name not in self._refused or name in RENAMED
        }

    def _learn(self, sent: Mapping[str, Any], refusal: RefusalError) -> None:
        """Go on without a field that the server refuses by its name, where that is possible.

        Raises:
            RefusalError: it refuses something else.
        """
        known = (*OPTIONAL, *RENAMED)
        named = [name for name in known if name in sent and is_named(name, refusal.said)]
        if refusal.status not in (400, 422) or not named:
            raise refusal
        if "logprobs" in named:
            named.append("top_logprobs")  # nobody tells these without those
        self._refused.update(named)

    # -- hearing ----------------------------------------------------------------------------

    def _hear(self, event: Any, heard: _Heard) -> str:
        """Take in a completion, or a piece of one; the text that may be shown now.

        Raises:
            EngineError: it is an error, or no completion.
        """
        fields = as_group(event)
        if fields.get("error"):
            error = fields["error"]
            words = shorten(str(as_group(error).get("message", error)))
            raise self.server.broken(f"fails in the middle of its answer: {words}")
        heard.usage = as_group(fields.get("usage")) or heard.usage
        choices = fields.get("choices")
        if choices == []:
            return ""  # the last event of a stream has the usage alone
        choice = as_group(as_list(choices)[0]) if as_list(choices) else {}
        said = choice.get("message", choice.get("delta"))
        if not isinstance(said, dict):
            raise self._nonsense(cast(object, event))
        heard.finish_reason = choice.get("finish_reason") or heard.finish_reason
        told = as_list(as_group(choice.get("logprobs")).get("content"))
        heard.log_probabilities += told_log_probabilities(told)
        heard.alternatives += map(told_alternatives, told)
        content = as_group(cast(object, said)).get("content")
        return heard.gate.push(content) if isinstance(content, str) else ""

    def _finished(self, heard: _Heard, options: GenerationOptions) -> Reply:
        if heard.finish_reason is None:
            raise self.server.broken(BROKE_OFF)
        if heard.finish_reason == "content_filter":
            raise self.server.broken("withholds the answer (content_filter)")
        reply, form = heard.reply(), options.structure
        is_whole = reply.ended and not heard.gate.is_shut
        if form is not None and is_whole and not form.is_met_by(reply.text):
            raise self.server.broken(
                f"does not hold to the form that was asked for: {shorten(reply.text, 60)!r}; a "
                "server of vLLM 0.12 or newer does"
            )
        return reply

    def _nonsense(self, event: object) -> EngineError:
        return self.server.broken(
            f"sent what is no chat completion ({shorten(repr(event), 60)}); is it an "
            "OpenAI-compatible server?"
        )


def _check_options(options: GenerationOptions) -> None:
    """Refuse what no server does.

    Raises:
        UsageError: the options ask for it.
    """
    if options.num_beams > 1:
        raise cannot("openai", "has no beam search", "take one beam, or the native engine")
    if options.contrast is not None:
        raise cannot("openai", "has no contrast", "leave it out, or take the native engine")
    if options.lookup:
        raise cannot(
            "openai",
            "cannot ask for drafts of lookup, which a server makes or not as it was started",
            "leave lookup out",
        )
