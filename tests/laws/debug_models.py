"""Every debug architecture, built once, with weights far from their fresh values.

Fresh weights hide mistakes: gates stand at zero, biases at zero, norms at one. So every parameter
is moved, in a way that depends on the architecture's name alone.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from triptych.architectures import ARCHITECTURES, Architecture, debug_tokenizer, find_architecture
from triptych.architectures.idefics import AROUND
from triptych.architectures.idefics import SPECIALS as IDEFICS_SPECIALS
from triptych.fusion.vlm import VLM
from triptych.media import Clip
from triptych.processor import Message, Processor, Sample, ask_about
from triptych.text import (
    INTERNVL_SPECIALS,
    KOSMOS2_SPECIALS,
    QWEN2_VL_SPECIALS,
    SMOLVLM_SPECIALS,
    CellsConfig,
    ChatTemplate,
    Tokenizer,
)

DEBUG_NAMES = sorted(name for name in ARCHITECTURES if name.endswith("_debug"))

QUESTIONS: tuple[list[Message], ...]


@dataclass(frozen=True)
class Subject:
    """One debug model with all that belongs to it."""

    architecture: Architecture
    model: VLM
    processor: Processor

    def prompt(self, messages: list[Message]) -> Sample:
        return self.processor.encode(messages, add_generation_prompt=True)


def picture(number: int, height: int = 40, width: int = 60) -> np.ndarray[Any, Any]:
    """A picture of noise; each number is another."""
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)


def clip(number: int, num_frames: int, height: int = 32, width: int = 48) -> Clip:
    """Frames of noise, each another; each number is another clip."""
    pictures = [picture(100 * number + index, height, width) for index in range(num_frames)]
    return Clip(tuple(map(Image.fromarray, pictures)), 2.0, num_frames / 2, "noise")


def watch(source: object, text: str = "what happens?", **options: object) -> list[Message]:
    """One user turn: a clip, with options of the part, then a text."""
    part = {"type": "video", "video": source, **options}
    return [{"role": "user", "content": [part, {"type": "text", "text": text}]}]


def answered(question: list[Message], answer: str) -> list[Message]:
    return [*question, {"role": "assistant", "content": answer}]


# Unequal texts, sizes and numbers of pictures, and none at all.
QUESTIONS = (
    ask_about([picture(0)], "what is it?"),
    ask_about([picture(1, 64, 48)], "hi"),
    ask_about([], "what is to the left of the blue square?"),
    ask_about([picture(2, 32, 32), picture(3, 50, 90)], "describe the pictures"),
)


def tokenizer_for(template: ChatTemplate) -> Tokenizer:
    """A debug tokenizer with the special tokens that a template writes."""
    needed = (template.bos_token, template.image_token, *template.end_tokens)
    for known in (QWEN2_VL_SPECIALS, SMOLVLM_SPECIALS, INTERNVL_SPECIALS):
        if set(needed) - {""} <= set(known):
            return debug_tokenizer(known)
    if "</image>" in template.source:
        return debug_tokenizer((*KOSMOS2_SPECIALS, *CellsConfig(side=4).special_tokens[5:]))
    if AROUND in template.source:
        return debug_tokenizer(IDEFICS_SPECIALS)
    return debug_tokenizer(tuple(token for token in needed if token))


@cache
def subject(name: str) -> Subject:
    """The debug architecture of that name, ready to run; do not change its weights."""
    return build_subject(name)


def build_subject(name: str) -> Subject:
    """The same, anew: its weights may be changed."""
    architecture = find_architecture(name)
    model = architecture.build(seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    tokenizer = tokenizer_for(architecture.processor.template)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return Subject(architecture, model, processor)
