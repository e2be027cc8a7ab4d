"""What finding boxes and finding points have in common."""

from typing import Literal

from triptych.engines import Engine, NativeEngine
from triptych.engines.places import FORMATS
from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.media import Picture
from triptych.processor import ask_about
from triptych.tasks.responding import Responder
from triptych.text import Located

SEARCHING = GenerationOptions(max_new_tokens=256)
"""Room for about ten boxes, greedily chosen."""

_ARTICLES = ("the", "a", "an")


def find_places(
    responder: Responder,
    picture: object,
    phrase: str,
    prompt: str,
    options: GenerationOptions,
) -> list[Located]:
    """Every place that the model writes when asked for the phrase, in pixels of the original.

    Whatever is no place is skipped; a place without a label gets the phrase.

    Raises:
        UsageError: the phrase is empty, or nobody knows how the model writes places.
    """
    wanted = _without_article(phrase)
    if not wanted:
        raise UsageError("the phrase is empty; write what to look for, in quotes")
    [opened] = responder.open([picture])
    question = prompt.replace("{phrase}", wanted)
    spoken, own = responder.places, responder.engine.coordinates
    if spoken is not None:
        shown, transform = spoken.show(opened, responder.engine.max_pixels)
        reply = responder.reply(ask_about([shown], question), options)
        found = spoken.read(reply.spelled or reply.text, transform)
    elif own is not None:
        messages = [{**each, **own.message_keys} for each in ask_about([opened], question)]
        reply = responder.reply(messages, options)
        seen = _seen_size(responder.engine, opened)
        found = own.read(reply.spelled, opened.width, opened.height, seen)
    else:
        raise _no_places(responder.engine)
    return [Located(each.place, each.label or wanted) for each in found]


def usual_prompt(responder: Responder, kind: Literal["box", "point"], trained: str) -> str:
    """What to ask for places: as `trained`, or in the model's words where it has no tokens."""
    return trained if responder.places is None else responder.places.question(kind)


def _seen_size(engine: Engine, picture: Picture) -> tuple[int, int] | None:
    """Width and height in which the model sees a picture, where it is this package that resizes."""
    if not isinstance(engine, NativeEngine):
        return None
    resize = engine.loaded.processor.config.resize
    height, width = resize.target_size(picture.height, picture.width)
    return width, height


def _no_places(engine: Engine) -> UsageError:
    forms = ", ".join(each.name for each in FORMATS)
    is_native = engine.name == "native"
    cure = "name a model that does, like mini" if is_native else "if it does, say how"
    return UsageError(
        f"{engine.model_name} writes no boxes or points that are known here; {cure}, or name the "
        f"form with --coordinates (coordinates= in Python): {forms}"
    )


def _without_article(phrase: str) -> str:
    """The phrase as it stands after "the": no article, no final stop."""
    words = phrase.strip().rstrip(".?!").split()
    if len(words) > 1 and words[0].lower() in _ARTICLES:
        words = words[1:]
    return " ".join(words)
