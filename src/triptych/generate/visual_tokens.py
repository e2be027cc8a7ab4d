"""Visual tokens of pictures, made once for each picture and kept while there is room."""

from collections import OrderedDict
from collections.abc import Mapping

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
        found = {name: self._held[name] for name in pictures if name in self._held}
        for name in found:
            self._held.move_to_end(name)
        missing = [name for name in pictures if name not in found]
        for are_features in (False, True):
            names = [name for name in missing if pictures[name].is_features == are_features]
            for start in range(0, len(names), MOST_TOGETHER):
                together = names[start : start + MOST_TOGETHER]
                found.update(self._encode({name: pictures[name] for name in together}))
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self.memory_bytes = 0

    def _encode(self, pictures: Mapping[bytes, EncodedImage]) -> dict[bytes, VisualTokens]:
        images = list(pictures.values())
        device = self._model.device
        encoded = self._model.encode_images(
            [image.pixels.to(device) for image in images],
            [image.tiles for image in images],
            are_features=images[0].is_features,
        )
        self.num_encoded += len(images)
        made = dict(zip(pictures, encoded, strict=True))
        for name, tokens in made.items():
            self._keep(name, tokens)
        return made

    def _keep(self, name: bytes, tokens: VisualTokens) -> None:
        if tokens.nbytes > self.most_bytes:
            return
        # A copy: what was encoded together shares its memory.
        self._held[name] = tokens.clone()
        self.memory_bytes += tokens.nbytes
        while self.memory_bytes > self.most_bytes:
            _, dropped = self._held.popitem(last=False)
            self.memory_bytes -= dropped.nbytes
