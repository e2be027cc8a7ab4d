"""Find things in a picture, as boxes."""

from triptych.generate import GenerationOptions
from triptych.geometry import Box
from triptych.tasks.places import find_places, usual_prompt
from triptych.tasks.responding import Responder
from triptych.text import Located

LOCATE = "Locate the {phrase}."
"""What is asked; "Find all {phrase}." is for several things, in the plural."""


def locate(
    responder: Responder,
    picture: object,
    phrase: str,
    prompt: str | None,
    options: GenerationOptions,
) -> list[Located]:
    """Boxes around what the phrase means; none where the model wrote none that has an area.

    Raises:
        UsageError: the phrase is empty, or nobody knows how the model writes boxes.
    """
    if prompt is None:
        prompt = usual_prompt(responder, "box", LOCATE)
    found = find_places(responder, picture, phrase, prompt, options)
    return [each for each in found if isinstance(each.place, Box) and each.place.area > 0]
