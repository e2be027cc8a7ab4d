"""What finding boxes and finding points have in common."""

from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.processor import ask_about
from triptych.tasks.responding import Responder
from triptych.text import Located

SEARCHING = GenerationOptions(max_new_tokens=256)
"""Room for about ten boxes, greedily chosen."""

_ARTICLES = ("the", "a", "an")


def find_places(
    responder: Responder, picture: object, phrase: str, prompt: str, options: GenerationOptions
) -> list[Located]:
    """Every place that the model writes when asked for the phrase, in pixels of the original.

    Whatever is no place is skipped; a place without a label gets the phrase.

    Raises:
        UsageError: the phrase is empty, or the model writes no places.
    """
    processor = responder.loaded.processor
    wanted = _without_article(phrase)
    if not wanted:
        raise UsageError("the phrase is empty; write what to look for, in quotes")
    if processor.config.coordinates is None:
        raise UsageError(
            f"{responder.loaded.architecture.name} writes no boxes or points; "
            "name a model that does, like mini"
        )
    [opened] = responder.open([picture])
    question = prompt.replace("{phrase}", wanted)
    [completion] = responder.complete([responder.prompt(ask_about([opened], question))], options)
    said = [token for token in completion.token_ids if token not in processor.end_ids]
    raw = processor.tokenizer.decode(said, skip_special=False)
    found = processor.config.coordinates.read(raw, opened.width, opened.height)
    return [Located(each.place, each.label or wanted) for each in found]


def _without_article(phrase: str) -> str:
    """The phrase as it stands after "the": no article, no final stop."""
    words = phrase.strip().rstrip(".?!").split()
    if len(words) > 1 and words[0].lower() in _ARTICLES:
        words = words[1:]
    return " ".join(words)
