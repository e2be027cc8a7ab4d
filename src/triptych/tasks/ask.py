"""Ask a question about pictures."""

from collections.abc import Sequence

from triptych.engines import Streamed
from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.processor import ask_about
from triptych.tasks.responding import Answer, Responder

ANSWERING = GenerationOptions(max_new_tokens=64)
"""How answers are chosen unless one asks otherwise."""


def ask(
    responder: Responder, pictures: Sequence[object], question: str, options: GenerationOptions
) -> Answer:
    """The answer to a question about pictures, or about none.

    Raises:
        UsageError: the question is empty.
    """
    check_question(question)
    opened = responder.open(pictures)
    asked = ask_about(opened, question)
    return responder.answer([asked], options, [responder.note(opened)])[0]


def ask_each(
    responder: Responder,
    pictures: Sequence[object],
    questions: Sequence[str],
    options: GenerationOptions,
) -> list[Answer]:
    """The answer to each of several questions about the same pictures, which are read once.

    Raises:
        UsageError: a question is empty.
    """
    for question in questions:
        check_question(question)
    opened = responder.open(pictures)
    asked = [ask_about(opened, question) for question in questions]
    return responder.answer(asked, options, [responder.note(opened)] * len(questions))


def stream_answer(
    responder: Responder, pictures: Sequence[object], question: str, options: GenerationOptions
) -> Streamed:
    """The same answer piece by piece.

    Raises:
        UsageError: the question is empty.
    """
    check_question(question)
    return responder.stream(ask_about(responder.open(pictures), question), options)


def check_question(question: str) -> None:
    """Refuse a question without a word.

    Raises:
        UsageError: the question is empty.
    """
    if not question.strip():
        raise UsageError("the question is empty; write what you want to know, in quotes")
