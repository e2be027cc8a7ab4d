"""Captioned pictures as training samples: one picture, all its captions as answers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from triptych.data.sources.flickr8k import CaptionedImage
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
    ) -> None:
        self.processor = processor
        self.items = items
        self.picture = picture
        self._encoded: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.items)

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """The sample of one picture; equal generators give equal samples."""
        image = self.picture(self.items[index].image_id, generator)
        return replace(self._text(index, image), images=(image,))

    def lengths(self) -> tuple[int, ...]:
        """Tokens of every sample, picture and captions."""
        if not self.items:
            return ()
        # All pictures have one size, so one of them stands for all.
        image = self.picture(self.items[0].image_id, torch.Generator())
        return tuple(len(self._text(i, image).token_ids) for i in range(len(self)))

    def _text(self, index: int, image: EncodedImage) -> Sample:
        if index not in self._encoded:
            item = self.items[index]
            captions = [plain_caption(caption) for caption in item.captions]
            encoded = self.processor.encode_answers(
                ask_about([item.image_id]), captions, sample_id=item.image_id, features=[image]
            )
            self._encoded[index] = replace(encoded, images=())
        return self._encoded[index]
