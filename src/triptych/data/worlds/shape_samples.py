"""Drawn shapes as training samples: one small picture, one of its captions."""

from typing import Literal, TypeAlias

import torch

from triptych.data.worlds.plain_scenes import draw_plain_scene, plain_caption
from triptych.data.worlds.shapes import DrawnPicture, draw_colour, draw_shapes
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample, ask_about

Content: TypeAlias = Literal["shapes", "colours", "scenes"]
"""One or two shapes of different colours, one colour all over, or plain scenes with questions."""


def shape_sample(
    processor: Processor,
    content: Content,
    size: int,
    prompt: str,
    number: int,
    generator: torch.Generator,
) -> Sample:
    """Picture `number`, and one of the ways to describe it as the answer to a prompt."""
    drawn, caption = _described(content, size, number, generator)
    answer = {"role": "assistant", "content": caption}
    return processor.encode([*ask_about([drawn.image], prompt), answer], sample_id=drawn.picture_id)


def shape_pair(
    processor: PairProcessor, content: Content, size: int, number: int, generator: torch.Generator
) -> Sample:
    """Picture `number` and one of the ways to describe it, for models that compare the two."""
    drawn, caption = _described(content, size, number, generator)
    return processor.encode_pair(drawn.image, caption, sample_id=drawn.picture_id)


def _described(
    content: Content, size: int, number: int, generator: torch.Generator
) -> tuple[DrawnPicture, str]:
    drawn = _picture(content, size, number)
    return drawn, drawn.captions[int(torch.randint(len(drawn.captions), (), generator=generator))]


def _picture(content: Content, size: int, number: int) -> DrawnPicture:
    if content == "scenes":
        drawn = draw_plain_scene(number, size)
        [picture] = drawn.drawing.pictures
        return DrawnPicture(drawn.sample_id, picture, (), (plain_caption(drawn),))
    return (draw_shapes if content == "shapes" else draw_colour)(number, size=size)
