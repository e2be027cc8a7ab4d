"""Captions and questions as conversations; what is about one picture shares one sequence."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.data.sources.conversation import (
    BadSample,
    Collected,
    Conversation,
    Message,
    Reading,
)
from triptych.errors import ConfigError

SHORT_ANSWER = "Answer the question using a single word or phrase."
"""What LLaVA-1.5 writes behind questions of VQA data sets (https://arxiv.org/abs/2310.03744)."""

TOGETHER = 8
"""Questions about one picture that share a sequence, unless a source says otherwise."""

Content = str | Sequence[Mapping[str, Any]]
"""A text, or parts with boxes in them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one picture, and its answer."""

    question_id: str
    picture_id: str
    """Questions of one id are about the same picture."""
    picture: object
    question: Content
    answer: Content
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else is known of it, such as all answers that people gave."""


Entries = Iterable[tuple[str, Callable[[], Asked]]]
"""Questions by their place, read when called."""


def collect_questions(
    source: Path, entries: Entries, *, instruction: str, together: int, tolerate: float
) -> Reading:
    """Questions as conversations, up to `together` about one picture in one sequence.

    Raises:
        ConfigError: `together` is below 1, or `tolerate` no share.
        DataError: more than `tolerate` cannot be used.
    """
    if together < 1:
        raise ConfigError(f"together must be at least 1, for one question each; got {together}")
    collected = Collected(source, tolerate)
    asked: list[Asked] = []
    for place, make in entries:
        try:
            asked.append(make())
        except BadSample as error:
            collected.leave_out(place, error)
    for conversation in _grouped(asked, instruction, together):
        collected.add(conversation.sample_id, lambda made=conversation: made)
    return collected.finish()


def _grouped(asked: Iterable[Asked], instruction: str, together: int) -> Iterator[Conversation]:
    by_picture: defaultdict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        by_picture[each.picture_id].append(each)
    for picture_id, group in by_picture.items():
        for start in range(0, len(group), together):
            some = group[start : start + together]
            first, *others = (_question_and_answer(each, instruction) for each in some)
            yield Conversation(
                sample_id=some[0].question_id if together == 1 else picture_id,
                messages=first,
                others=tuple(others),
                extra={"questions": [{"id": each.question_id, **each.extra} for each in some]},
            )


def _question_and_answer(asked: Asked, instruction: str) -> tuple[Message, ...]:
    question = asked.question
    parts = [{"type": "text", "text": question}] if isinstance(question, str) else list(question)
    if instruction:
        parts.append({"type": "text", "text": f"\n{instruction}"})
    picture = {"type": "image", "image": asked.picture}
    return (
        {"role": "user", "content": [picture, *parts]},
        {"role": "assistant", "content": asked.answer},
    )


def captioned(
    sample_id: str,
    picture: object,
    captions: Sequence[str],
    *,
    prompt: str = "",
    extra: Mapping[str, Any] | None = None,
) -> Conversation:
    """A picture with its captions, each an answer of its own to `prompt`, or to the picture alone.

    White space at the ends of a caption is left out, and within it is one space.
    """
    said = [" ".join(caption.split()) for caption in captions]
    if not all(said) or not said:
        raise BadSample(
            "empty content", f"{sample_id} has an empty caption", "write one, or remove the picture"
        )
    content: list[dict[str, object]] = [{"type": "image", "image": picture}]
    if prompt:
        content.append({"type": "text", "text": prompt})
    first, *others = (
        ({"role": "user", "content": content}, {"role": "assistant", "content": caption})
        for caption in said
    )
    return Conversation(sample_id, first, extra or {}, tuple(others))
