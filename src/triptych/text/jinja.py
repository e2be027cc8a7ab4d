"""Run a chat template: Jinja2 in a sandbox, with what published templates expect to find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn, cast

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from triptych.errors import TokenError
from triptych.text.marks import to_json


@dataclass(frozen=True, slots=True)
class ContentForm:
    """What a template can do with a message's content."""

    text: bool
    """It writes a content that is a text."""
    parts: bool
    """It writes the texts of a content that is a list of parts."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A template and what it is given; two of equal `key` give one output."""

    source: str
    key: str
    values: Mapping[str, Any] = field(compare=False)


def render(source: str, **values: Any) -> str:
    """The output of a template; conversations of one shape, marks for texts, are rendered once.

    Raises:
        TokenError: the template is not valid, refuses the messages, or fails on them.
    """
    return _render(_Call(source, repr(values), values))


@lru_cache(maxsize=256)
def _render(call: _Call) -> str:
    template = _compile(call.source)
    try:
        return template.render(**call.values)
    except TemplateError as error:
        raise TokenError(f"the chat template refuses this conversation: {error}") from error
    except Exception as error:  # a template can fail in as many ways as a program
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        raise TokenError(f"the chat template fails on this conversation: {problem}") from error


@lru_cache(maxsize=64)
def content_form(source: str) -> ContentForm:
    """Try both forms of content on a template.

    Raises:
        TokenError: the template is not valid Jinja2.
    """
    _compile(source)
    return ContentForm(
        text=_writes(source, "probe"), parts=_writes(source, [{"type": "text", "text": "probe"}])
    )


def _writes(source: str, content: str | Sequence[Mapping[str, str]]) -> bool:
    names = dict.fromkeys(("bos_token", "eos_token", "image_token", "video_token"), "")
    messages = [{"role": "user", "content": content}]
    try:
        text = render(source, messages=messages, add_generation_prompt=True, **names)
    except TokenError:
        return False
    # A list that was written as a text shows its brackets and keys.
    return "probe" in text and "'text'" not in text and '"text"' not in text


@lru_cache(maxsize=64)
def _compile(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, "jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = to_json
    cast(dict[str, object], environment.globals)["raise_exception"] = _refuse
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise TokenError(
            f"the chat template is not valid Jinja2: {error.message}, line {error.lineno}"
        ) from error


class _Generation(Extension):
    """`{% generation %}`, with which some templates mark answers, changes nothing here."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
