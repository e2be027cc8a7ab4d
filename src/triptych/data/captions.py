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
        item = self.items[index]
        image = self.picture(item.image_id, generator)
        if index not in self._encoded:
            captions = [plain_caption(caption) for caption in item.captions]
            encoded = self.processor.encode_answers(
                ask_about([item.image_id]), captions, sample_id=item.image_id, features=[image]
            )
            self._encoded[index] = replace(encoded, images=())
        return replace(self._encoded[index], images=(image,))
