"""One vision-language model: three panels and the hinge that joins them.

    pixels -> vision -> features -> connector -> visual tokens -+
                                                                +-> fusion + language -> logits
                                                    token ids --+

Each part's configuration lives beside the part. Whatever two parts must agree on flows from one
built part to the next in `VLMConfig.build` and is never written twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.connector import AnyRes, AnyResConfig, Connector, ConnectorConfig
from triptych.fusion.gated import Gated, GatedConfig
from triptych.fusion.memory import GatedMemory
from triptych.fusion.splice import Splice, SpliceConfig
from triptych.fusion.strips import StripInputs
from triptych.inputs import ModelInputs
from triptych.language import Decoder, LanguageConfig
from triptych.nn.cache import KVCache
from triptych.nn.ragged import RaggedCache
from triptych.shapes import (
    Embeddings,
    Grid,
    HiddenStates,
    Logits,
    Places,
    PositionIds,
    Tiles,
    TokenIds,
    VisionFeatures,
)
from triptych.vision import Vision, VisionConfig, ViTConfig
from triptych.vision.together import encode_stacks

FusionConfig = SpliceConfig | GatedConfig
Memory = GatedMemory | None
"""What a fusion must remember of the pictures between two steps of generation."""

PANELS = ("vision", "connector", "fusion", "language")
"""Every parameter belongs to exactly one of these; fusion is the hinge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VLMConfig:
    """A complete model: enough to build it, and nothing about training or prompting it."""

    vision: VisionConfig
    connector: ConnectorConfig
    language: LanguageConfig
    fusion: FusionConfig = SpliceConfig()

    def patch_grid(self, height: int, width: int) -> Grid:
        """How the vision panel divides a picture of `height` x `width` pixels."""
        return self.vision.grid(height, width)

    @property
    def frames_per_slice(self) -> int:
        """Frames of a clip that the vision panel takes as one picture."""
        return self.vision.temporal_patch_size if isinstance(self.vision, ViTConfig) else 1

    @property
    def num_prefix(self) -> int:
        """Class tokens that the vision panel hands on, in front of the patches."""
        return int(isinstance(self.vision, ViTConfig) and self.vision.keep_class_token)

    def num_visual_tokens(self, height: int, width: int, tiles: Tiles | None = None) -> int:
        """Visual tokens such a picture becomes, or one cut into tiles of that size."""
        grid = self.patch_grid(height, width)
        if tiles is None:
            return self.connector.num_tokens(grid)
        if isinstance(self.connector, AnyResConfig):
            return self.connector.num_tokens_of_tiles(grid, tiles)
        return tiles.num_tiles * self.connector.num_tokens(grid)

    def token_grid(self, height: int, width: int) -> Grid | None:
        """How the tokens of a picture that is not cut lie, where they still lie on a grid."""
        return self.connector.token_grid(self.patch_grid(height, width))

    def num_slots(
        self, height: int, width: int, num_slices: int = 1, tiles: Tiles | None = None
    ) -> int:
        """Positions of the sequence that such a picture takes, or a clip of so many slices."""
        return self.fusion.num_slots(num_slices * self.num_visual_tokens(height, width, tiles))

    def build(self) -> "VLM":
        """The model with fresh weights (on the current default device, `meta` included)."""
        vision = self.vision.build()
        language = self.language.build()
        connector = self.connector.build(vision_dim=self.vision.dim, language_dim=self.language.dim)
        fusion = self.fusion.build(
            num_layers=self.language.depth,
            language_dim=self.language.dim,
            visual_dim=connector.out_dim,
        )
        return VLM(self, vision, connector, fusion, language)


class VLM(nn.Module):
    """Three built panels and their hinge. Looks up no names, reads no files."""

    def __init__(
        self,
        config: VLMConfig,
        vision: Vision,
        connector: Connector,
        fusion: Splice | Gated,
        language: Decoder,
    ) -> None:
        super().__init__()
        self.config = config
        self.vision = vision
        self.connector = connector
        self.fusion = fusion
        self.language = language

    @property
    def device(self) -> torch.device:
        """Where the weights are; inputs are brought there."""
        return self.language.first_norm.device

    def forward(self, inputs: ModelInputs) -> Logits:
        """Logits of every position, those of padding included."""
        return self.language.head(self.read(inputs)[0])

    def read(
        self,
        inputs: ModelInputs,
        cache: KVCache | None = None,
        visual: Sequence[Float[Tensor, "_visual visual_dim"]] | None = None,
        wanted: Places | None = None,
    ) -> tuple[HiddenStates, Memory]:
        """Final hidden states of every position, and what `step` needs to go on.

        `visual` is what `encode` made of the pictures, where that is known already. Where only
        some positions are `wanted`, their hidden states come as one row, and take less time.
        """
        inputs = inputs.to(self.device)
        visual = self.encode(inputs) if visual is None else visual
        return self.fusion(self.language, inputs, visual, cache, wanted)

    def step(
        self, token_ids: TokenIds, position_ids: PositionIds, cache: KVCache, memory: Memory
    ) -> Embeddings:
        """Final hidden states of tokens that continue what `cache` holds."""
        return self.fusion.step(self.language, token_ids, position_ids, cache, memory)

    def advance(
        self, strips: StripInputs, cache: RaggedCache, wanted: Places | None = None
    ) -> HiddenStates:
        """Final hidden states of new tokens of several sequences, whose pictures are encoded.

        `wanted` is that of `read`.
        """
        return self.fusion.advance(self.language, strips, cache, wanted)

    def encode(self, inputs: ModelInputs) -> list[Float[Tensor, "_visual visual_dim"]]:
        """Visual tokens of each picture, in order of appearance; those of a clip in order of time.

        Pictures of one shape, slices of clips and tiles of pictures among them, go through the
        panels together.
        """
        tiles = [span.tiles for span in inputs.spans] or [None] * len(inputs.images)
        images = inputs.to(self.device).images
        return self.encode_images(images, tiles, are_features=inputs.images_are_features)

    def encode_images(
        self, images: Sequence[Tensor], tiles: Sequence[Tiles | None], *, are_features: bool = False
    ) -> list[Float[Tensor, "_visual visual_dim"]]:
        """The same for pictures as `ModelInputs.images` holds them, and how each was cut."""
        encoded: list[Tensor] = [torch.empty(0)] * len(images)
        slices = [_slices(image) for image in images]
        groups = _equal_shapes(slices)
        stacks = [torch.cat([slices[index] for index in indexes]) for indexes in groups]
        for indexes, features in zip(groups, self._features(stacks, are_features), strict=True):
            tokens = self.connector(features)
            own = torch.split(tokens, [len(slices[index]) for index in indexes])
            for index, of_image in zip(indexes, own, strict=True):
                encoded[index] = self.join(of_image, features.grid, tiles[index])
        return encoded

    def join(
        self, tokens: Float[Tensor, "_slice visual visual_dim"], grid: Grid, tiles: Tiles | None
    ) -> Float[Tensor, "_visual visual_dim"]:
        """Visual tokens of one picture or clip, made of those of its tiles or slices.

        `grid` is how the patches of each lie.
        """
        if tiles is not None and isinstance(self.connector, AnyRes):
            return self.connector.join(tokens, grid, tiles)
        return tokens.flatten(0, 1)

    def _features(self, stacks: Sequence[Tensor], are_features: bool) -> Iterable[VisionFeatures]:
        """Of pictures of one shape each; one after the other where nothing is gained together."""
        if are_features:
            cells = (stack.to(self.language.first_norm.dtype) for stack in stacks)
            return (VisionFeatures.from_rows(each, self.config.num_prefix) for each in cells)
        return encode_stacks(self.vision, stacks)


def _slices(image: Tensor) -> Tensor:
    """A picture, its tiles, or the slices of a clip, on an axis of their own; see
    `ModelInputs.images`."""
    if image.ndim == 3:
        return image[None]
    # A slice of one frame is a picture.
    return image[:, 0] if image.ndim == 5 and image.shape[1] == 1 else image


def _equal_shapes(images: Sequence[Tensor]) -> list[list[int]]:
    """Indexes of pictures that have one shape but for their slices: encoded together."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        groups[tuple(image.shape[1:])].append(index)
    return list(groups.values())
