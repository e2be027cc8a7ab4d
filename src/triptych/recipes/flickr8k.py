"""Describe photographs: Flickr8k captions with a frozen MobileNetV2.

    triptych train flickr8k --data PATH/flickr8k --out runs/flickr8k

PATH also holds `weights/mobilenet_v2` (or name the folder: `encoder_weights=FOLDER`).
Vision: MobileNetV2 (ImageNet, frozen; features of every picture and of its mirror image are made
once). Connector: MLP. Language: a small Llama-like decoder from scratch, which reads 49 visual
tokens and then the caption. All five captions of a picture share its visual tokens in one row.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.files import load_state, read_tensors, write_json
from triptych.checkpoint.model_folder import LoadedModel, load_model, save_model
from triptych.config import to_dict
from triptych.connector import MLPConfig
from triptych.data.captions import CaptionSamples, plain_caption
from triptych.data.sources.flickr8k import CaptionedImage, read_flickr8k
from triptych.errors import DataError, UsageError
from triptych.evaluate.captioning import CaptionReport, caption_pictures, report_captions
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLM, VLMConfig
from triptych.generate import GenerationOptions
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import FixedResizeConfig
from triptych.objectives.language_modelling import language_modelling
from triptych.processor import EncodedImage, Processor, ProcessorConfig
from triptych.recipes.report import caption_sheet
from triptych.text import PLAIN_CAPTION, Tokenizer
from triptych.train import (
    FeatureStore,
    PanelRates,
    TrainConfig,
    build_features,
    fit,
    flipped,
    unchanged,
)
from triptych.train.memory import peak_memory_bytes
from triptych.train.plot import plot_losses
from triptych.vision import mobilenet_v2, state_from_tflite_order

WEIGHTS = "mobilenet_v2_1.0_224_qat.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Flickr8kRecipe:
    """Everything that can be changed about the run."""

    train: TrainConfig = TrainConfig(
        learning_rates=PanelRates(connector=1e-3, language=1e-3),
        epochs=12,
        batch_size=32,
        warmup_steps=150,
        label_smoothing=0.1,
        ema_decay=0.998,
    )
    """Training."""

    dim: int = 256
    """Width of the decoder."""
    depth: int = 4
    """Blocks of the decoder."""
    num_heads: int = 4
    """Attention heads."""
    ffn_dim: int = 704
    """Hidden width of the decoder's gated MLP."""
    dropout: float = 0.1
    """In the decoder."""
    vocab_size: int = 3000
    """Byte-level BPE entries, trained on the training captions."""
    flip: bool = True
    """Show mirror images in half of the cases."""
    decoding: GenerationOptions = GenerationOptions(max_new_tokens=32, num_beams=4)
    """How test captions are searched for."""
    encoder_weights: str = ""
    """Folder of the MobileNetV2 weights; empty means `weights/mobilenet_v2` beside the data."""
    sheet_size: int = 8
    """Pictures on the before/after sheet."""


def architecture(recipe: Flickr8kRecipe, tokenizer: Tokenizer) -> Architecture:
    """MobileNetV2, MLP, decoder, spliced."""
    vision = mobilenet_v2()
    language = DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        dim=recipe.dim,
        depth=recipe.depth,
        num_heads=recipe.num_heads,
        num_kv_heads=recipe.num_heads,
        ffn_dim=recipe.ffn_dim,
        positions=RotaryConfig(theta=10_000.0),
        tied=True,
        dropout=recipe.dropout,
    )
    processor = ProcessorConfig(
        resize=FixedResizeConfig(height=224, width=224),
        template=PLAIN_CAPTION,
        max_tokens=512,
    )
    model = VLMConfig(
        vision=vision, connector=MLPConfig(), language=language, fusion=SpliceConfig()
    )
    return Architecture(name="flickr8k", model=model, processor=processor)


def run(
    recipe: Flickr8kRecipe, data: Path | None, folder: Path, resume: bool
) -> dict[str, object]:
    """Train, caption the test photographs, and write sheet, plot and scores into `folder`."""
    if data is None:
        raise UsageError("the recipe flickr8k needs --data FOLDER, the folder of Flickr8k")
    started = time.monotonic()
    splits, ledger = read_flickr8k(data)
    write_json(folder / "recipe.json", to_dict(recipe))
    write_json(folder / "left_out.json", ledger.as_dict())
    loaded = fresh_model(recipe, splits["train"], find_weights(recipe, data))
    model, processor = loaded.model, loaded.processor
    features = cached_features(folder.parent / "features", model, processor, splits)
    examples = [item.image_id for item in splits["test"][: recipe.sheet_size]]
    untrained = test_report(recipe, loaded, features, splits["test"], GREEDY)
    progress = fit(
        loaded.architecture,
        model,
        processor,
        CaptionSamples(processor, splits["train"], _augmented(features, recipe.flip)),
        recipe.train,
        folder,
        validate=lambda each: {"val_loss": held_out_loss(each, processor, features, splits["dev"])},
        resume=resume,
    )
    plot_losses(folder / "record.jsonl", folder / "loss.png")
    save_model(folder / "model", loaded.architecture, model, processor.tokenizer)
    trained = test_report(recipe, load_model(folder / "model"), features, splits["test"])
    sheet = caption_sheet(splits["test"][: len(examples)], untrained.captions, trained.captions)
    sheet.save(folder / "sheet.png")
    write_json(folder / "captions.json", dict(trained.captions))
    result: dict[str, object] = {
        "test": trained.summary(),
        "test, untrained": untrained.summary(),
        "training": {
            "epochs": recipe.train.epochs,
            "steps": progress.step,
            "minutes": progress.seconds / 60,
            "minutes with features and test": (time.monotonic() - started) / 60,
            "images_per_s": recipe.train.epochs * len(splits["train"]) / progress.seconds,
            "peak_memory_gb": peak_memory_bytes() / 1e9,
            "parameters_trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        },
        "files": {name: str(folder / name) for name in ("model", "sheet.png", "loss.png")},
    }
    write_json(folder / "scores.json", result)
    return result


GREEDY = GenerationOptions(max_new_tokens=32)


def fresh_model(recipe: Flickr8kRecipe, items: list[CaptionedImage], weights: Path) -> LoadedModel:
    """The untrained model: published vision weights, everything else fresh."""
    captions = [plain_caption(caption) for item in items for caption in item.captions]
    specials = (PLAIN_CAPTION.image_token, *PLAIN_CAPTION.end_tokens)
    tokenizer = Tokenizer.train_byte_bpe(captions, recipe.vocab_size, specials)
    design = architecture(recipe, tokenizer)
    model = design.build(recipe.train.seed)
    tensors = state_from_tflite_order(read_tensors(weights / WEIGHTS))
    load_state(model.vision, tensors, str(weights / WEIGHTS))
    model.eval()
    return LoadedModel(design, model, Processor(design.processor, design.model, tokenizer))


def find_weights(recipe: Flickr8kRecipe, data: Path) -> Path:
    """The folder of the encoder's weights.

    Raises:
        DataError: it does not hold them.
    """
    beside = data.resolve().parent / "weights" / "mobilenet_v2"
    folder = Path(recipe.encoder_weights) if recipe.encoder_weights else beside
    if not (folder / WEIGHTS).is_file():
        raise DataError(
            f"{folder} does not hold {WEIGHTS}; name its folder with encoder_weights=FOLDER"
        )
    return folder


def cached_features(
    folder: Path, model: VLM, processor: Processor, splits: dict[str, list[CaptionedImage]]
) -> FeatureStore:
    """Features of all photographs and their mirror images."""
    pictures = {item.image_id: item.path for items in splits.values() for item in items}
    return build_features(folder, model, processor, pictures, (unchanged, flipped))


def _augmented(
    features: FeatureStore, flip: bool
) -> Callable[[str, torch.Generator], EncodedImage]:
    def picture(name: str, generator: torch.Generator) -> EncodedImage:
        mirrored = flip and bool(torch.rand((), generator=generator) < 0.5)
        return features.read(name, int(mirrored))

    return picture


@torch.inference_mode()
def held_out_loss(
    model: VLM, processor: Processor, features: FeatureStore, items: list[CaptionedImage]
) -> float:
    """Mean negative log-likelihood a token over held-out captions, in nats."""
    source = CaptionSamples(processor, items, lambda name, _: features.read(name))
    total, count = 0.0, 0
    for start in range(0, len(items), 64):
        indexes = range(start, min(start + 64, len(items)))
        batch = processor.collate([source.sample(i, torch.Generator()) for i in indexes])
        loss = language_modelling(model, batch)
        total, count = total + loss.nll, count + loss.num_tokens
    return total / count


def test_report(
    recipe: Flickr8kRecipe,
    loaded: LoadedModel,
    features: FeatureStore,
    items: list[CaptionedImage],
    options: GenerationOptions | None = None,
) -> CaptionReport:
    """Caption and score held-out photographs."""
    completions = caption_pictures(
        loaded.model,
        loaded.processor,
        [item.image_id for item in items],
        features.read,
        options or recipe.decoding,
    )
    return report_captions(completions, {item.image_id: item.captions for item in items})

