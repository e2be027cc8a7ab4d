"""Describe drawn shapes: a debug-sized model from scratch, with no data and no network.

    triptych train shapes --out runs/shapes

Every panel is trained: a small ViT on 48 x 48 pixels, a merger that makes 9 visual tokens of its
36 patches, a small decoder. Beside what every captioning run writes, `held_out/` holds pictures
that were never trained on, and the scores say how many test captions are true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.files import read_json, write_json
from triptych.config import to_dict
from triptych.connector import MergerConfig
from triptych.data.sources.flickr8k import CaptionedImage
from triptych.data.worlds.shapes import DrawnPicture, draw_shapes
from triptych.fusion.vlm import VLMConfig
from triptych.generate import GenerationOptions
from triptych.language import DecoderConfig
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.recipes.captioning import CaptionData, fresh_model, run_captioning, train_tokenizer
from triptych.text import PLAIN_CAPTION, Tokenizer
from triptych.train import PanelRates, TrainConfig
from triptych.vision import ViTConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapesRecipe:
    """Everything that can be changed about the run."""

    train: TrainConfig = TrainConfig(
        learning_rates=PanelRates(vision=2e-3, connector=2e-3, language=2e-3),
        epochs=5,
        batch_size=32,
        warmup_steps=40,
        ema_decay=0.98,
    )
    """Training."""

    num_train: int = 6000
    """Pictures to train on."""
    num_held_out: int = 200
    """Pictures to validate on, and as many to test on."""
    num_captions: int = 3
    """Captions of a picture that are trained on; three say the same in three ways."""
    image_size: int = 48
    """Side of a picture in pixels."""
    dim: int = 96
    """Width of both transformers."""
    depth: int = 3
    """Blocks of each."""
    decoding: GenerationOptions = GenerationOptions(max_new_tokens=24)
    """How test captions are chosen."""
    sheet_size: int = 8
    """Pictures on the before/after sheet."""


def architecture(recipe: ShapesRecipe, tokenizer: Tokenizer) -> Architecture:
    """ViT, merger, decoder, spliced."""
    vision = ViTConfig(
        image_size=recipe.image_size,
        patch_size=8,
        dim=recipe.dim,
        depth=recipe.depth,
        num_heads=4,
        ffn_dim=2 * recipe.dim,
    )
    language = DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        dim=recipe.dim,
        depth=recipe.depth,
        num_heads=4,
        num_kv_heads=4,
        ffn_dim=2 * recipe.dim,
        tied=True,
    )
    return Architecture(
        name="shapes",
        model=VLMConfig(vision=vision, connector=MergerConfig(), language=language),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=recipe.image_size, width=recipe.image_size),
            template=PLAIN_CAPTION,
            max_tokens=256,
        ),
    )


def run(recipe: ShapesRecipe, data: Path | None, folder: Path, resume: bool) -> dict[str, object]:
    """Draw, train, and score captions of pictures that were never seen."""
    write_json(folder / "recipe.json", to_dict(recipe))
    drawn = _draw(recipe)
    num_train, num_dev = recipe.num_train, recipe.num_held_out
    train = [_item(picture, recipe.num_captions) for picture in drawn[:num_train]]
    dev = [_item(p, recipe.num_captions) for p in drawn[num_train : num_train + num_dev]]
    test = drawn[num_train + num_dev :]
    tokenizer = train_tokenizer(train, vocab_size=400)
    loaded = fresh_model(architecture(recipe, tokenizer), tokenizer, recipe.train.seed)
    by_id = {picture.picture_id: picture.image for picture in drawn}
    encoded = {name: loaded.processor.encode_image(image) for name, image in by_id.items()}
    caption_data = CaptionData(
        train=train,
        dev=dev,
        test=[_item(picture) for picture in test],
        picture=encoded.__getitem__,
        augmented=lambda name, _: encoded[name],
        original=by_id.__getitem__,
    )
    _save_pictures(test[: recipe.sheet_size], folder / "held_out")
    result = run_captioning(
        loaded,
        caption_data,
        recipe.train,
        recipe.decoding,
        folder,
        resume=resume,
        sheet_size=recipe.sheet_size,
    )
    captions = read_json(folder / "captions.json")
    true = sum(is_true(captions[picture.picture_id], picture) for picture in test)
    result = {"share of captions that are true": true / len(test)} | result
    write_json(folder / "scores.json", result)
    return result


def is_true(caption: str, picture: DrawnPicture) -> bool:
    """Whether a caption names every shape, every colour and the right relation, nothing else."""
    return _statement(caption) in {_statement(each) for each in picture.captions}


def _statement(caption: str) -> str:
    """A caption without the words that claim nothing."""
    return caption.strip().removeprefix("there is ").removeprefix("a picture of ")


def _save_pictures(pictures: Sequence[DrawnPicture], folder: Path) -> None:
    """Write pictures as PNG files that are named after what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        picture.image.save(folder / f"{picture.captions[0].replace(' ', '_')}.png")


def _draw(recipe: ShapesRecipe) -> list[DrawnPicture]:
    count = recipe.num_train + 2 * recipe.num_held_out
    return [
        draw_shapes(number, size=recipe.image_size, seed=recipe.train.seed)
        for number in range(count)
    ]


def _item(picture: DrawnPicture, num_captions: int | None = None) -> CaptionedImage:
    captions = picture.captions[:num_captions]
    return CaptionedImage(picture.picture_id, Path(picture.picture_id), captions)
