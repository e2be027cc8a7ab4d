"""Vision features of many pictures on disk, for runs whose vision panel is frozen.

A frozen encoder says the same about a picture in every epoch, so it is asked once. Features are
kept as float16 in one flat file that is read picture by picture (it can be larger than memory),
with a JSON file beside it that says what they are features of. Features of another encoder, other
weights, other pictures or another resize policy have another fingerprint and are made afresh.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import track
from torch import Tensor

from triptych.checkpoint.files import read_json, write_json
from triptych.config import to_dict
from triptych.errors import DataError
from triptych.fusion.vlm import VLM
from triptych.processor import EncodedImage, Processor

Variant = Callable[[Tensor], Tensor]
"""A change of the pixels, `image channel height width`, whose features are wanted as well."""


def unchanged(pixels: Tensor) -> Tensor:
    """The picture as it is."""
    return pixels


def flipped(pixels: Tensor) -> Tensor:
    """The picture's mirror image, left and right swapped."""
    return pixels.flip(-1)


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features of pictures by name, each in one or more variants."""

    path: Path
    rows: Mapping[str, int]
    num_variants: int
    shape: tuple[int, int, int]
    """rows, cols, vision_dim; with a class token one row more, see `VisionFeatures.as_rows`"""
    height: int
    """Size in pixels of the resized pictures."""
    width: int

    def read(self, name: str, variant: int = 0) -> EncodedImage:
        """Features of one picture, as the processor takes them."""
        count = int(np.prod(self.shape))
        offset = (self.rows[name] * self.num_variants + variant) * count * 2
        values = np.fromfile(self.path, np.float16, count, offset=offset)
        if len(values) < count:
            raise DataError(f"{self.path} is shorter than it should be; delete it to make it anew")
        features = torch.from_numpy(values.reshape(self.shape))
        return EncodedImage(pixels=features, height=self.height, width=self.width, is_features=True)


def build_features(
    folder: Path,
    model: VLM,
    processor: Processor,
    pictures: Mapping[str, Path],
    variants: Sequence[Variant] = (unchanged,),
    batch_size: int = 32,
) -> FeatureStore:
    """Features of all pictures, made now or taken from `folder` when they are already there.

    Raises:
        DataError: resized pictures differ in size, so they cannot share one file.
    """
    names = sorted(pictures)
    sign = fingerprint(model, processor, names, variants)
    path, facts_path = folder / f"features-{sign}.f16", folder / f"features-{sign}.json"
    if not facts_path.exists():
        facts = _write_features(path, model, processor, pictures, names, variants, batch_size)
        write_json(facts_path, facts)
    facts = read_json(facts_path)
    rows, cols, dim = facts["shape"]
    return FeatureStore(
        path=path,
        rows={name: row for row, name in enumerate(names)},
        num_variants=len(variants),
        shape=(rows, cols, dim),
        height=facts["height"],
        width=facts["width"],
    )


def fingerprint(
    model: VLM, processor: Processor, names: Sequence[str], variants: Sequence[Variant]
) -> str:
    """A short name for exactly these features."""
    digest = hashlib.sha256()
    for config in (model.config.vision, processor.config.resize):
        digest.update(repr(to_dict(config)).encode())
    for name, tensor in model.get_submodule("vision").state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    digest.update(repr((list(names), [variant.__name__ for variant in variants])).encode())
    return digest.hexdigest()[:16]


@torch.inference_mode()
def _write_features(
    path: Path,
    model: VLM,
    processor: Processor,
    pictures: Mapping[str, Path],
    names: Sequence[str],
    variants: Sequence[Variant],
    batch_size: int,
) -> dict[str, object]:
    path.parent.mkdir(parents=True, exist_ok=True)
    model.eval()
    starts = range(0, len(names), batch_size)
    shape: tuple[int, ...] = ()
    size: tuple[int, int] | None = None
    with path.open("wb") as file:
        for start in track(starts, "vision features", console=Console(stderr=True)):
            pixels = _pixels(processor, [pictures[n] for n in names[start : start + batch_size]])
            size = size or (pixels.shape[-2], pixels.shape[-1])
            if (pixels.shape[-2], pixels.shape[-1]) != size:
                raise DataError("resized pictures differ in size; use a fixed resize policy")
            features = torch.stack([_rows(model, vary(pixels)) for vary in variants], dim=1)
            shape = tuple(features.shape[2:])
            file.write(features.half().cpu().numpy().tobytes())
    height, width = size or (0, 0)
    return {"shape": list(shape), "height": height, "width": width, "pictures": len(names)}


def _pixels(processor: Processor, paths: Sequence[Path]) -> Tensor:
    encoded = [processor.encode_image(path) for path in paths]
    if any(each.tiles is not None for each in encoded):
        raise DataError("features of tiles are not kept; use a policy that does not cut pictures")
    images = [each.pixels for each in encoded]
    if len({image.shape for image in images}) > 1:
        raise DataError("resized pictures differ in size; use a fixed resize policy")
    return torch.stack(images)


def _rows(model: VLM, pixels: Tensor) -> Float[Tensor, "image row col vision_dim"]:
    return model.vision(pixels.to(model.device)).as_rows()
