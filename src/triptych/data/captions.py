"""Captioned pictures as training samples: one picture, all its captions as answers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch

from triptych.data.sources.flickr8k import CaptionedImage
from triptych.inputs import IGNORED
from triptych.processor import EncodedImage, Processor, Sample, ask_about


def plain_caption(caption: str) -> str:
    """A caption as it is trained on: lower-case, single spaces, no final stop."""
    return " ".join(caption.lower().split()).rstrip(" .")


class CaptionSamples:
    """Samples whose prompt is a picture and whose answers are its captions.

    `picture(name, generator)` gives the picture as the model takes it, possibly augmented. Text
    is encoded once; afterwards a sample costs its picture alone.
    """

    def __init__(
        self,
        processor: Processor,
        items: Sequence[CaptionedImage],
        picture: Callable[[str, torch.Generator], EncodedImage],
        word_dropout: float = 0.0,
    ) -> None:
        """`word_dropout` is the share of a caption's tokens that the model is not shown.

        It still has to predict them, and what follows them from the picture instead.
        """
        self.word_dropout = word_dropout
        self.processor = processor
        self.items = items
        self.picture = picture
        self._encoded: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.items)

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """The sample of one picture; equal generators give equal samples."""
        image = self.picture(self.items[index].image_id, generator)
        sample = self._text(index, image)
        if self.word_dropout:
            sample = replace(sample, token_ids=self._hide_words(sample, generator))
        return replace(sample, images=(image,))

    def lengths(self) -> tuple[int, ...]:
        """Tokens of every sample, picture and captions."""
        if not self.items:
            return ()
        # All pictures have one size, so one of them stands for all.
        image = self.picture(self.items[0].image_id, torch.Generator())
        return tuple(len(self._text(i, image).token_ids) for i in range(len(self)))

    def _hide_words(self, sample: Sample, generator: torch.Generator) -> list[int]:
        """Caption tokens replaced by the picture's slot token at random; labels stay."""
        hidden = torch.rand(len(sample.token_ids), generator=generator) < self.word_dropout
        return [
            self.processor.image_id if hide and label != IGNORED else token
            for token, label, hide in zip(
                sample.token_ids, sample.labels, cast(list[bool], hidden.tolist()), strict=True
            )
        ]

    def _text(self, index: int, image: EncodedImage) -> Sample:
        if index not in self._encoded:
            item = self.items[index]
            captions = [plain_caption(caption) for caption in item.captions]
            encoded = self.processor.encode_answers(
                ask_about([item.image_id]), captions, sample_id=item.image_id, features=[image]
            )
            self._encoded[index] = replace(encoded, images=())
        return self._encoded[index]
