"""Describe photographs: Flickr8k captions with a frozen MobileNetV2.

    triptych train flickr8k --data PATH/flickr8k --out runs/flickr8k

Two CPU cores: 60 minutes. Test split, beam search of 4: BLEU-4 0.207, CIDEr 0.526.

PATH also holds `weights/mobilenet_v2` (or name the folder: `encoder_weights=FOLDER`).
Vision: MobileNetV2 (ImageNet, frozen; features of every picture and of its mirror image are made
once). Connector: MLP. Language: a small Llama-like decoder from scratch, which reads 49 visual
tokens and then the caption. All five captions of a picture share its visual tokens in one row.
A second stage trains on the CIDEr of captions that the model samples itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.files import load_state, read_tensors, write_json
from triptych.checkpoint.model_folder import LoadedModel
from triptych.config import to_dict
from triptych.connector import MLPConfig
from triptych.data.sources.flickr8k import CaptionedImage, read_flickr8k
from triptych.errors import DataError, UsageError
from triptych.fusion.vlm import VLMConfig
from triptych.generate import GenerationOptions
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import FixedResizeConfig, open_image
from triptych.objectives.mixture import Objectives
from triptych.processor import EncodedImage, ProcessorConfig
from triptych.recipes.captioning import (
    CaptionData,
    Refinement,
    fresh_model,
    run_captioning,
    train_tokenizer,
)
from triptych.text import PLAIN_CAPTION, Tokenizer
from triptych.train import (
    FeatureStore,
    PanelRates,
    SelfCriticalConfig,
    TrainConfig,
    build_features,
    flipped,
    unchanged,
)
from triptych.vision import MobileNetV2, mobilenet_v2, state_from_tflite_order

WEIGHTS = "mobilenet_v2_1.0_224_qat.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Flickr8kRecipe:
    """Everything that can be changed about the run."""

    train: TrainConfig = TrainConfig(
        learning_rates=PanelRates(connector=1e-3, language=1e-3),
        epochs=10,
        batch_size=16,
        warmup_steps=150,
        objectives=Objectives(label_smoothing=0.1),
        ema_decay=0.998,
    )
    """First stage: the likelihood of people's captions."""

    refine: bool = True
    """Whether there is a second stage, on the CIDEr of the model's own captions."""
    refinement: TrainConfig = TrainConfig(
        learning_rates=PanelRates(connector=1e-4, language=1e-4),
        epochs=3,
        batch_size=16,
        warmup_steps=50,
        weight_decay=0.0,
        ema_decay=0.995,
    )
    """Second stage."""
    own_captions: SelfCriticalConfig = SelfCriticalConfig()
    """How the captions of the second stage are sampled."""

    dim: int = 256
    """Width of the decoder."""
    depth: int = 3
    """Blocks of the decoder."""
    num_heads: int = 4
    """Attention heads."""
    ffn_dim: int = 640
    """Hidden width of the decoder's gated MLP."""
    dropout: float = 0.2
    """In the decoder."""
    feature_dropout: float = 0.0
    """Share of the vision features' numbers hidden from the connector."""
    word_dropout: float = 0.0
    """Share of a caption's tokens hidden from the decoder that predicts the next."""
    vocab_size: int = 3000
    """Byte-level BPE entries, trained on the training captions."""
    flip: bool = True
    """Show mirror images in half of the cases."""
    decoding: GenerationOptions = GenerationOptions(
        max_new_tokens=32, num_beams=4, length_penalty=0.7
    )
    """How test captions are searched for."""
    encoder_weights: str = ""
    """Folder of the MobileNetV2 weights; empty means `weights/mobilenet_v2` beside the data."""
    max_pictures: int = 0
    """Use only this many pictures of each split, for a quick try; 0 means all."""
    sheet_size: int = 8
    """Pictures on the before/after sheet."""


def architecture(recipe: Flickr8kRecipe, tokenizer: Tokenizer) -> Architecture:
    """MobileNetV2, MLP, decoder, spliced."""
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
    return Architecture(
        name="flickr8k",
        model=VLMConfig(
            vision=mobilenet_v2(),
            connector=MLPConfig(dropout=recipe.feature_dropout),
            language=language,
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=224, width=224),
            template=PLAIN_CAPTION,
            max_tokens=512,
        ),
    )


def run(recipe: Flickr8kRecipe, data: Path | None, folder: Path, resume: bool) -> dict[str, object]:
    """Train on the training split and score captions of the 1,000 test photographs."""
    if data is None:
        raise UsageError("the recipe flickr8k needs --data FOLDER, the folder of Flickr8k")
    splits, ledger = read_flickr8k(data)
    weights = find_weights(recipe, data)
    count = recipe.max_pictures or None
    splits = {name: items[:count] for name, items in splits.items()}
    write_json(folder / "recipe.json", to_dict(recipe))
    write_json(folder / "left_out.json", ledger.as_dict())
    tokenizer = train_tokenizer(splits["train"], recipe.vocab_size)
    loaded = fresh_model(architecture(recipe, tokenizer), tokenizer, recipe.train.seed)
    assert isinstance(loaded.model.vision, MobileNetV2)
    tensors = state_from_tflite_order(read_tensors(weights))
    load_state(loaded.model.vision, tensors, str(weights))
    return run_captioning(
        loaded,
        caption_data(recipe, loaded, splits, folder.parent / "features"),
        recipe.train,
        recipe.decoding,
        folder,
        resume=resume,
        sheet_size=recipe.sheet_size,
        word_dropout=recipe.word_dropout,
        refinement=Refinement(train=recipe.refinement, answers=recipe.own_captions)
        if recipe.refine
        else None,
    )


def find_weights(recipe: Flickr8kRecipe, data: Path) -> Path:
    """The file of the encoder's weights.

    Raises:
        DataError: it is not where it should be.
    """
    beside = data.resolve().parent / "weights" / "mobilenet_v2"
    folder = Path(recipe.encoder_weights) if recipe.encoder_weights else beside
    if not (folder / WEIGHTS).is_file():
        raise DataError(
            f"{folder} does not hold {WEIGHTS}; name its folder with encoder_weights=FOLDER"
        )
    return folder / WEIGHTS


def caption_data(
    recipe: Flickr8kRecipe,
    loaded: LoadedModel,
    splits: dict[str, list[CaptionedImage]],
    feature_folder: Path,
) -> CaptionData:
    """The splits with the vision features of every photograph and of its mirror image."""
    paths = {item.image_id: item.path for items in splits.values() for item in items}
    features = build_features(
        feature_folder, loaded.model, loaded.processor, paths, (unchanged, flipped)
    )
    return CaptionData(
        train=splits["train"],
        dev=splits["dev"],
        test=splits["test"],
        picture=features.read,
        augmented=_augmented(features, recipe.flip),
        original=lambda name: open_image(paths[name]).rgb,
    )


def _augmented(
    features: FeatureStore, flip: bool
) -> Callable[[str, torch.Generator], EncodedImage]:
    def picture(name: str, generator: torch.Generator) -> EncodedImage:
        mirrored = flip and bool(torch.rand((), generator=generator) < 0.5)
        return features.read(name, int(mirrored))

    return picture
