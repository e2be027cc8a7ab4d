"""Find things in a picture, as points."""

from triptych.generate import GenerationOptions
from triptych.geometry import Point
from triptych.tasks.places import find_places, usual_prompt
from triptych.tasks.responding import Responder
from triptych.text import Located

POINT = "Point at the {phrase}."
"""What is asked."""


def point(
    responder: Responder,
    picture: object,
    phrase: str,
    prompt: str | None,
    options: GenerationOptions,
) -> list[Located]:
    """Points on what the phrase means; none where the model wrote none.

    Raises:
        UsageError: the phrase is empty, or nobody knows how the model writes points.
    """
    if prompt is None:
        prompt = usual_prompt(responder, "point", POINT)
    found = find_places(responder, picture, phrase, prompt, options)
    return [each for each in found if isinstance(each.place, Point)]
