"""A model that says what a test wants, so that what is made of it can be seen."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image
from tests.laws.debug_models import subject

from triptych.engines import native
from triptych.fusion.vlm import VLM
from triptych.generate import Completion, GenerationEngine, GenerationOptions
from triptych.processor import Processor, Sample
from triptych.text import Tokenizer

QWEN = subject("qwen2_vl_debug")


class Saying:
    """Stands in for `generate`: says the texts one after the other, and keeps what was asked."""

    def __init__(self, texts: Sequence[str], ended: bool = True) -> None:
        self.texts = list(texts)
        self.ended = ended
        self.prompts: list[str] = []

    def __call__(
        self,
        model: VLM,
        processor: Processor,
        samples: Sequence[Sample],
        options: GenerationOptions,
        engine: GenerationEngine,
    ) -> list[Completion]:
        return [self._completion(processor, sample) for sample in samples]

    def _completion(self, processor: Processor, sample: Sample) -> Completion:
        tokenizer = processor.tokenizer
        self.prompts.append(tokenizer.decode(sample.token_ids, skip_special=False))
        token_ids = [*written(tokenizer, self.texts.pop(0)), processor.end_ids[0]]
        return Completion(
            text=tokenizer.decode(token_ids),
            token_ids=tuple(token_ids),
            log_probability=-1.0,
            ended=self.ended,
            num_prompt_tokens=len(sample.token_ids),
        )


def written(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokens of a text in which special tokens are spelled out."""
    ids: list[int] = []
    for piece, is_special in tokenizer.split_control(text):
        ids += [tokenizer.special(piece)] if is_special else tokenizer.encode(piece)
    return ids


def say(monkeypatch: pytest.MonkeyPatch, *texts: str, ended: bool = True) -> Saying:
    """Let models say these texts for the rest of the test."""
    saying = Saying(texts, ended)
    monkeypatch.setattr(native, "generate", saying)
    return saying


def asked(prompt: str) -> str:
    """The user's last words of a ChatML prompt."""
    turn = prompt.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
    return turn.rpartition("<|vision_end|>")[2]


def photograph(width: int = 96, height: int = 64) -> Image.Image:
    """As various in colour as a photograph: three soft fields of noise, one a channel."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height))
