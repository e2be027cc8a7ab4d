"""Describe pictures."""

from collections.abc import Sequence
from dataclasses import replace

from triptych.generate import GenerationOptions
from triptych.processor import ask_about
from triptych.tasks.responding import Answer, Responder
from triptych.text import ChatTemplate

DESCRIBE = "Describe the picture."
"""What is asked of models that are asked things."""

CAPTIONING = GenerationOptions(max_new_tokens=64, num_beams=3)
"""How captions are searched for unless one asks otherwise."""


def caption(
    responder: Responder,
    pictures: Sequence[object],
    options: GenerationOptions | None,
    prompt: str | None,
    batch_size: int,
) -> list[Answer]:
    """One description a picture; without a prompt, by the one that the model was trained with.

    Without options by beam search, or greedily where the engine has none.
    """
    engine = responder.engine
    if options is None:
        options = CAPTIONING if engine.has_beam_search else replace(CAPTIONING, num_beams=1)
    if prompt is None:
        prompt = DESCRIBE if engine.template is None else caption_prompt(engine.template)
    answers: list[Answer] = []
    for start in range(0, len(pictures), batch_size):
        opened = responder.open(pictures[start : start + batch_size])
        asked = [ask_about([picture], prompt) for picture in opened]
        notes = [responder.note([picture]) for picture in opened]
        answers += responder.answer(asked, options, notes)
    return answers


def caption_prompt(template: ChatTemplate) -> str:
    """What to say beside a picture to have it described.

    A template that adds nothing to what is said knows no roles: its model was trained to go on
    behind the picture alone, as captioning recipes do. Any other is asked.
    """
    spoken = template.render([{"role": "user", "content": DESCRIBE}], add_generation_prompt=True)
    return "" if spoken == DESCRIBE else DESCRIBE
