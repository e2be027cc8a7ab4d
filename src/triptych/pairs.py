"""Pictures and texts in, inputs of a model that compares them out.

Such a model takes no conversation: each picture and each text stands alone. A text is put between
the special tokens that its tokenizer's file writes around one, in lower case where that file says
so; what a person writes never becomes a special token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.errors import ConfigError, TokenError, UsageError
from triptych.fusion.dual import DualConfig
from triptych.fusion.matching import MatcherConfig
from triptych.fusion.pairs import PairInputs
from triptych.inputs import IGNORED, PREFIX_BRANCH
from triptych.media import Limits, Picture, PixelConfig, ResizeConfig, open_image, to_pixels
from triptych.pictures import EncodedImage
from triptych.sequences import Sample
from triptych.text import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class PairProcessorConfig:
    """How pictures and texts become inputs for one model."""

    resize: ResizeConfig
    """What happens to a picture's size and shape; all pictures become one size."""

    begin_tokens: tuple[str, ...]
    """Special tokens in front of a text."""

    end_tokens: tuple[str, ...]
    """Special tokens behind it."""

    pad_token: str
    """Special token that fills shorter texts up, on the right."""

    max_tokens: int
    """Longest text, special tokens included."""

    pads_to_max: bool
    """Whether every text is filled up to the longest possible, not to the longest of the batch."""

    def __post_init__(self) -> None:
        framing = len(self.begin_tokens) + len(self.end_tokens)
        if self.max_tokens <= framing:
            raise ConfigError(
                f"max_tokens must be above the {framing} special tokens around a text, "
                f"got {self.max_tokens}"
            )


class PairProcessor:
    """Turn pictures and texts into inputs for one model."""

    def __init__(
        self,
        config: PairProcessorConfig,
        model: DualConfig | MatcherConfig,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
    ) -> None:
        """
        Raises:
            ConfigError: the tokenizer is larger than the model.
            TokenError: the tokenizer lacks a special token.
        """
        self.config = config
        self.model = model
        self.tokenizer = tokenizer
        self.limits = limits or Limits()
        self.colours = PixelConfig(mean=model.vision.pixel_mean, std=model.vision.pixel_std)
        self.begin_ids = [tokenizer.special(token) for token in config.begin_tokens]
        self.end_ids = [tokenizer.special(token) for token in config.end_tokens]
        self.pad_id = tokenizer.special(config.pad_token)
        if tokenizer.vocab_size > model.vocab_size:
            raise ConfigError(
                f"the tokenizer has {tokenizer.vocab_size} tokens but the model knows "
                f"{model.vocab_size}; build the model with the tokenizer's size"
            )

    def encode(self, pictures: Sequence[object], texts: Sequence[str]) -> PairInputs:
        """Inputs to compare every picture with every text.

        Raises:
            UsageError: there is no picture or no text.
            MediaError: a picture cannot be opened.
            TokenError: a text is too long.
        """
        token_ids, token_mask = self.encode_texts(texts)
        pixels = self.encode_pictures(pictures)
        return PairInputs(pixels=pixels, token_ids=token_ids, token_mask=token_mask)

    def open(self, source: object) -> Picture:
        """Open one picture, safely, as the right way up RGB."""
        return source if isinstance(source, Picture) else open_image(source, limits=self.limits)

    def encode_pictures(
        self, pictures: Sequence[object]
    ) -> Float[Tensor, "image channel height width"]:
        """Pictures in this model's size and colour scale.

        Raises:
            UsageError: there is none.
            MediaError: one cannot be opened.
        """
        if not pictures:
            raise UsageError("there is no picture to compare; give at least one")
        resized = [self.config.resize.apply(self.open(picture))[0] for picture in pictures]
        return torch.stack([to_pixels(picture, self.colours) for picture in resized])

    def encode_texts(
        self, texts: Sequence[str]
    ) -> tuple[Int[Tensor, "text token"], Bool[Tensor, "text token"]]:
        """Texts as rows of token ids, and where these are no padding.

        Raises:
            UsageError: there is none.
            TokenError: one is too long, or holds half a surrogate pair.
        """
        if not texts:
            raise UsageError("there is no text to compare with; give at least one")
        rows = [self.token_ids(text) for text in texts]
        length = self.config.max_tokens if self.config.pads_to_max else max(map(len, rows))
        token_ids = torch.full((len(rows), length), self.pad_id)
        token_mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for index, row in enumerate(rows):
            token_ids[index, : len(row)] = torch.tensor(row)
            token_mask[index, : len(row)] = True
        return token_ids, token_mask

    def encode_pair(
        self, picture: object, text: str, *, sample_id: str = "", cuts: bool = False
    ) -> Sample:
        """A picture and the text that belongs to it, as a sample to train on.

        With `cuts` the end of a text that is too long is cut off, and counted in the sample.

        Raises:
            MediaError: the picture cannot be opened.
            TokenError: the text is too long, and is not to be cut.
        """
        token_ids, num_cut = self.cut(text) if cuts else (self.token_ids(text), 0)
        pixels = self.encode_pictures([picture])[0]
        seen = EncodedImage(pixels=pixels, height=pixels.shape[1], width=pixels.shape[2])
        return pair_sample(sample_id, token_ids, num_cut, seen)

    def collate(self, samples: Sequence[Sample]) -> PairInputs:
        """Pairs as one batch, whose pictures and texts stand in one order."""
        length = max(len(sample.token_ids) for sample in samples)
        token_ids = torch.full((len(samples), length), self.pad_id)
        token_mask = torch.zeros(len(samples), length, dtype=torch.bool)
        for row, sample in enumerate(samples):
            token_ids[row, : len(sample.token_ids)] = torch.tensor(sample.token_ids)
            token_mask[row, : len(sample.token_ids)] = True
        pixels = torch.stack([sample.images[0].pixels for sample in samples])
        return PairInputs(pixels=pixels, token_ids=token_ids, token_mask=token_mask)

    def token_ids(self, text: str) -> list[int]:
        """Ids of one text, special tokens included.

        Raises:
            TokenError: it is too long, or holds half a surrogate pair.
        """
        # Published processors tokenise a text first and put special tokens around it then.
        ids = [*self.begin_ids, *self.tokenizer.encode(text), *self.end_ids]
        if len(ids) > self.config.max_tokens:
            raise TokenError(
                f"the text {text[:40]!r}... takes {len(ids)} tokens, this model reads "
                f"{self.config.max_tokens}; shorten it"
            )
        return ids

    def cut(self, text: str) -> tuple[list[int], int]:
        """Ids of one text that fit, special tokens included, and how many were cut off its end."""
        ids = self.tokenizer.encode(text)
        room = self.config.max_tokens - len(self.begin_ids) - len(self.end_ids)
        return [*self.begin_ids, *ids[:room], *self.end_ids], max(0, len(ids) - room)


def pair_sample(
    sample_id: str, token_ids: list[int], num_truncated: int, image: EncodedImage
) -> Sample:
    """A picture and the tokens of its text, none of which is to be predicted."""
    return Sample(
        sample_id=sample_id,
        token_ids=token_ids,
        labels=[IGNORED] * len(token_ids),
        branches=[PREFIX_BRANCH] * len(token_ids),
        position_ids=torch.arange(len(token_ids))[None],
        images=(image,),
        spans=(),
        num_truncated=num_truncated,
    )
