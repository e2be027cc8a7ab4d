"""What captioning recipes share: samples, held-out loss, scores, the before/after sheet, files."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL.Image import Image

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.files import write_json
from triptych.checkpoint.model_folder import LoadedModel, save_model
from triptych.data.captions import CaptionSamples, plain_caption
from triptych.data.sources.flickr8k import CaptionedImage
from triptych.evaluate.captioning import CaptionReport, caption_pictures, report_captions
from triptych.evaluate.metrics.captions import CiderReward
from triptych.fusion.vlm import VLM
from triptych.generate import GenerationOptions
from triptych.media import SheetLine, SheetRow, sheet
from triptych.objectives.language_modelling import language_modelling
from triptych.processor import EncodedImage, Processor, Sample
from triptych.text import PLAIN_CAPTION, Tokenizer
from triptych.train import SelfCritical, SelfCriticalConfig, TrainConfig, fit
from triptych.train.checkpoints import Progress, has_checkpoint
from triptych.train.memory import peak_memory_bytes
from triptych.train.plot import plot_run


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionData:
    """Captioned pictures in splits, and how to get at the pictures."""

    train: Sequence[CaptionedImage]
    dev: Sequence[CaptionedImage]
    test: Sequence[CaptionedImage]
    picture: Callable[[str], EncodedImage]
    """A picture by its id, as the model takes it."""
    augmented: Callable[[str, torch.Generator], EncodedImage]
    """The same, changed at random for training."""
    original: Callable[[str], Image]
    """The picture itself, to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """A second stage: the model is trained on the CIDEr of its own captions."""

    train: TrainConfig
    answers: SelfCriticalConfig


REFINEMENT = "refinement"
"""Folder of the second stage inside the folder of the run."""


def train_tokenizer(items: Sequence[CaptionedImage], vocab_size: int) -> Tokenizer:
    """A byte-level BPE of the training captions."""
    captions = [plain_caption(caption) for item in items for caption in item.captions]
    specials = (PLAIN_CAPTION.image_token, *PLAIN_CAPTION.end_tokens)
    return Tokenizer.train_byte_bpe(captions, vocab_size, specials)


def fresh_model(design: Architecture, tokenizer: Tokenizer, seed: int) -> LoadedModel:
    """The untrained model."""
    model = design.build(seed).eval()
    return LoadedModel(design, model, Processor(design.processor, design.model, tokenizer))


def run_captioning(
    loaded: LoadedModel,
    data: CaptionData,
    train: TrainConfig,
    decoding: GenerationOptions,
    folder: Path,
    *,
    resume: bool,
    sheet_size: int,
    word_dropout: float = 0.0,
    refinement: Refinement | None = None,
) -> dict[str, object]:
    """Train, caption the test pictures before and after, write model, sheet, plot and scores."""
    started = time.monotonic()
    model, processor = loaded.model, loaded.processor
    # A resumed run builds the same fresh model first, so it says the same before training.
    greedy = GenerationOptions(max_new_tokens=decoding.max_new_tokens)
    untrained = caption_report(loaded, data, greedy)
    progress = fit(
        loaded.architecture,
        model,
        processor,
        CaptionSamples(processor, data.train, data.augmented, word_dropout),
        train,
        folder,
        validate=lambda each: {"val_loss": held_out_loss(each, processor, data)},
        resume=resume,
        shown=_shown(processor, data, train.num_shown),
    )
    plot_run(folder / "record.jsonl", folder / "loss.png")
    refined = refinement and refine(loaded, data, refinement, folder / REFINEMENT, resume=resume)
    save_model(folder / "model", loaded.architecture, model, processor.tokenizer)
    trained = caption_report(loaded, data, decoding)
    caption_sheet(data, untrained.captions, trained.captions, sheet_size).save(folder / "sheet.png")
    write_json(folder / "captions.json", dict(trained.captions))
    result: dict[str, object] = {
        "test": trained.summary(),
        "test, untrained": untrained.summary(),
        "training": _facts(train, progress, len(data.train)),
        "refinement": refinement and refined and _facts(refinement.train, refined, len(data.train)),
        "minutes of this sitting, with tests": (time.monotonic() - started) / 60,
        "peak_memory_gb": peak_memory_bytes() / 1e9,
        "parameters_trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "files": {
            name: str(folder / name) for name in ("model", "sheet.png", "loss.png", "captions.json")
        },
    }
    write_json(folder / "scores.json", result)
    return result


def _shown(processor: Processor, data: CaptionData, count: int) -> list[Sample]:
    """Held-out pictures to be captioned at every validation."""
    source = CaptionSamples(processor, data.dev[:count], lambda name, _: data.picture(name))
    return [source.sample(index, torch.Generator()) for index in range(len(source))]


def refine(
    loaded: LoadedModel,
    data: CaptionData,
    refinement: Refinement,
    folder: Path,
    *,
    resume: bool,
) -> Progress:
    """Train on in the second stage; goes on where it was stopped if it had begun."""
    model, processor = loaded.model, loaded.processor
    references = {
        item.image_id: [plain_caption(caption) for caption in item.captions] for item in data.train
    }
    return fit(
        loaded.architecture,
        model,
        processor,
        CaptionSamples(processor, data.train, data.augmented),
        refinement.train,
        folder,
        validate=lambda each: {"val_loss": held_out_loss(each, processor, data)},
        rewrite=SelfCritical(refinement.answers, processor, CiderReward(references)),
        resume=resume and has_checkpoint(folder),
    )


def _facts(train: TrainConfig, progress: Progress, num_pictures: int) -> dict[str, object]:
    """What one stage took."""
    return {
        "epochs": train.epochs,
        "steps": progress.step,
        "minutes": progress.seconds / 60,
        "images_per_s": train.epochs * num_pictures / progress.seconds,
        "best_val_loss": progress.best_score,
    }


@torch.inference_mode()
def held_out_loss(model: VLM, processor: Processor, data: CaptionData) -> float:
    """Mean negative log-likelihood a token over the dev captions, in nats."""
    source = CaptionSamples(processor, data.dev, lambda name, _: data.picture(name))
    total, count = 0.0, 0
    for start in range(0, len(source), 64):
        indexes = range(start, min(start + 64, len(source)))
        batch = processor.collate([source.sample(i, torch.Generator()) for i in indexes])
        loss = language_modelling(model, batch)
        total, count = total + loss.nll, count + loss.num_tokens
    return total / count


def caption_report(
    loaded: LoadedModel, data: CaptionData, options: GenerationOptions
) -> CaptionReport:
    """Caption and score the test pictures."""
    names = [item.image_id for item in data.test]
    completions = caption_pictures(loaded.model, loaded.processor, names, data.picture, options)
    return report_captions(completions, {item.image_id: item.captions for item in data.test})


def caption_sheet(
    data: CaptionData,
    untrained: Mapping[str, str],
    trained: Mapping[str, str],
    num_pictures: int,
) -> Image:
    """Held-out pictures with what the model said before and after training, and a person."""
    rows = [
        SheetRow(
            picture=data.original(item.image_id),
            lines=(
                SheetLine("untrained", untrained[item.image_id]),
                SheetLine("trained", trained[item.image_id]),
                SheetLine("reference", item.captions[0]),
            ),
        )
        for item in data.test[:num_pictures]
    ]
    return sheet(rows, title="Held-out pictures, before and after training")
