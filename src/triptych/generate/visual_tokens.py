"""Visual tokens of pictures, made once for each picture and kept while there is room."""

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.fusion.vlm import VLM
from triptych.pictures import EncodedImage

VisualTokens = Float[Tensor, "visual visual_dim"]

MOST_TOGETHER = 8
"""Pictures that go through the panels at once; more gain no speed and take memory."""


class VisualTokenCache:
    """What the vision panel and the connector made of pictures; longest unused goes first."""

    def __init__(self, model: VLM, most_bytes: int) -> None:
        self._model = model
        self.most_bytes = most_bytes
        """What is kept may take so much."""
        self._held: OrderedDict[bytes, VisualTokens] = OrderedDict()
        self.memory_bytes = 0
        self.num_encoded = 0
        """Pictures that went through the panels so far."""

    def get(self, pictures: Mapping[bytes, EncodedImage]) -> dict[bytes, VisualTokens]:
        """Visual tokens of pictures, each named by its content."""
        found = self._find(pictures)
        found.update(self.keep(self._encode(_without(pictures, found))))
        return found

    def start(
        self, pictures: Mapping[bytes, EncodedImage]
    ) -> Future[dict[bytes, VisualTokens]] | None:
        """Encode in the background those that are not there; None where all are.

        What comes of it is for `keep`.
        """
        missing = _without(pictures, self._find(pictures))
        return self._worker.submit(self._encode, missing) if missing else None

    def keep(self, made: Mapping[bytes, VisualTokens]) -> Mapping[bytes, VisualTokens]:
        """Keep visual tokens while there is room; they are given back."""
        for name, tokens in made.items():
            if tokens.nbytes <= self.most_bytes and name not in self._held:
                # A copy: what was encoded together shares its memory.
                self._held[name] = tokens.clone()
                self.memory_bytes += tokens.nbytes
        while self.memory_bytes > self.most_bytes:
            _, dropped = self._held.popitem(last=False)
            self.memory_bytes -= dropped.nbytes
        self.num_encoded += len(made)
        return made

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self.memory_bytes = 0

    @cached_property
    def _worker(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="pictures")

    def _find(self, pictures: Mapping[bytes, EncodedImage]) -> dict[bytes, VisualTokens]:
        found = {name: self._held[name] for name in pictures if name in self._held}
        for name in found:
            self._held.move_to_end(name)
        return found

    @torch.inference_mode()
    def _encode(self, pictures: Mapping[bytes, EncodedImage]) -> dict[bytes, VisualTokens]:
        made: dict[bytes, VisualTokens] = {}
        for are_features in (False, True):
            names = [name for name in pictures if pictures[name].is_features == are_features]
            for start in range(0, len(names), MOST_TOGETHER):
                together = names[start : start + MOST_TOGETHER]
                images = [pictures[name] for name in together]
                encoded = self._model.encode_images(
                    [image.pixels.to(self._model.device) for image in images],
                    [image.tiles for image in images],
                    are_features=are_features,
                )
                made.update(zip(together, encoded, strict=True))
        return made


def _without(
    pictures: Mapping[bytes, EncodedImage], found: Mapping[bytes, VisualTokens]
) -> dict[bytes, EncodedImage]:
    return {name: image for name, image in pictures.items() if name not in found}
