"""A training run of a few seconds with everything on that resuming must bring back.

Dropout, augmentation, a weight average, accumulation over two forward passes, validation, a short
last step. As a program it is the same run, and can be told to die on the way:

    python -m tests.train.tiny_run FOLDER [--signal KILL|TERM --step N]
"""

import argparse
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from triptych.architectures import Architecture
from triptych.connector import MergerConfig
from triptych.data.captions import CaptionSamples
from triptych.data.sources.flickr8k import CaptionedImage
from triptych.data.worlds.shapes import draw_shapes
from triptych.fusion.vlm import VLM, VLMConfig
from triptych.language import DecoderConfig
from triptych.media import FixedResizeConfig
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.mixture import Objectives
from triptych.processor import EncodedImage, Processor, ProcessorConfig, Sample
from triptych.text import PLAIN_CAPTION, Tokenizer
from triptych.train import PanelRates, TrainConfig, fit, flipped
from triptych.train.checkpoints import Progress
from triptych.vision import ViTConfig

NUM_SAMPLES = 11
"""Three steps an epoch, the last of three samples instead of four."""

CONFIG = TrainConfig(
    learning_rates=PanelRates(vision=3e-3, connector=3e-3, language=3e-3),
    epochs=4,
    batch_size=2,
    accumulate=2,
    warmup_steps=3,
    ema_decay=0.9,
    objectives=Objectives(label_smoothing=0.1),
    validate_every=5,
    checkpoint_every=4,
    seed=7,
)
NUM_STEPS = 12


@dataclass(frozen=True, slots=True)
class TinyRun:
    """What `fit` needs, built the same way every time."""

    architecture: Architecture
    model: VLM
    processor: Processor
    source: CaptionSamples

    def fit(
        self,
        folder: Path,
        config: TrainConfig = CONFIG,
        *,
        resume: bool = False,
        before_sample: Callable[[int], None] = lambda count: None,
    ) -> Progress:
        """Train on one thread (sums depend on how many there are)."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return fit(
                self.architecture,
                self.model,
                self.processor,
                Watched(self.source, before_sample),
                config,
                folder,
                validate=self.validate,
                resume=resume,
            )
        finally:
            torch.set_num_threads(threads)

    def validate(self, model: VLM) -> dict[str, float]:
        """Loss of the first four samples."""
        samples = [self.source.sample(i, torch.Generator()) for i in range(4)]
        loss = language_modelling(model, self.processor.collate(samples))
        return {"val_loss": loss.nll / loss.num_tokens}


class Watched:
    """A sample source that says how many samples it has given before each one."""

    def __init__(self, source: CaptionSamples, before: Callable[[int], None]) -> None:
        self.source = source
        self.before = before
        self.count = 0

    def __len__(self) -> int:
        return len(self.source)

    def lengths(self) -> tuple[int, ...] | None:
        """As the source says."""
        return self.source.lengths()

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """The sample, after telling."""
        self.before(self.count)
        self.count += 1
        return self.source.sample(index, generator)


def tiny_run() -> TinyRun:
    """A fresh model of three moving panels and eleven drawn pictures."""
    drawn = [draw_shapes(number, size=32, seed=1) for number in range(NUM_SAMPLES)]
    items = [CaptionedImage(p.picture_id, Path(p.picture_id), p.captions[:2]) for p in drawn]
    captions = [caption for item in items for caption in item.captions]
    tokenizer = Tokenizer.train_byte_bpe(captions, 300, ("<image>", "<end>"))
    vision = ViTConfig(image_size=32, patch_size=8, dim=16, depth=1, num_heads=2, ffn_dim=32)
    language = DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        dim=16,
        depth=2,
        num_heads=2,
        num_kv_heads=1,
        ffn_dim=32,
        tied=True,
        dropout=0.2,
    )
    architecture = Architecture(
        name="tiny",
        model=VLMConfig(vision=vision, connector=MergerConfig(), language=language),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=32, width=32), template=PLAIN_CAPTION
        ),
    )
    model = architecture.build(CONFIG.seed)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    pictures = {p.picture_id: processor.encode_image(p.image) for p in drawn}
    source = CaptionSamples(processor, items, _mirrored_at_random(pictures))
    return TinyRun(architecture, model, processor, source)


def _mirrored_at_random(
    pictures: dict[str, EncodedImage],
) -> Callable[[str, torch.Generator], EncodedImage]:
    def picture(name: str, generator: torch.Generator) -> EncodedImage:
        image = pictures[name]
        mirrored = bool(torch.rand((), generator=generator) < 0.5)
        pixels = flipped(image.pixels) if mirrored else image.pixels
        return EncodedImage(pixels=pixels, height=image.height, width=image.width)

    return picture


def samples_before(step: int) -> int:
    """Samples given before step 0, 1, ... begins."""
    return step // 3 * NUM_SAMPLES + step % 3 * 4


def main() -> None:
    """Run, and die on the way if told to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--signal", choices=("KILL", "TERM"))
    parser.add_argument("--step", type=int, default=0)
    given = parser.parse_args()

    def before(count: int) -> None:
        if given.signal and count == samples_before(given.step) + 1:
            os.kill(os.getpid(), signal.Signals[f"SIG{given.signal}"])

    tiny_run().fit(given.folder, before_sample=before)


if __name__ == "__main__":
    main()
