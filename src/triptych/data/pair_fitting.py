"""A conversation as a pair: its one picture, and one thing that the assistant says of it.

user   [picture] describe it                    picture
assistant   a red circle            ->          a red circle, or what an alternative says
"""

from collections.abc import Mapping
from typing import Any

import torch

from triptych.data.fitting import CUT, Fitted, with_content
from triptych.data.ledger import LeftOut
from triptych.data.sources.conversation import Conversation
from triptych.errors import ConfigError, DataError
from triptych.media import picture_size
from triptych.pairs import PairProcessor, pair_sample
from triptych.pictures import EncodedImage
from triptych.processor import Message, Sample, image_parts
from triptych.text.messages import parts_of


class PairFitting:
    """Turn conversations into pairs, whose texts lose their ends where they are too long."""

    def __init__(
        self, processor: PairProcessor, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> None:
        """
        Raises:
            ConfigError: a bound of pixels is given; the pictures of such a model have one size.
        """
        if min_pixels or max_pixels:
            raise ConfigError(
                f"min_pixels={min_pixels} and max_pixels={max_pixels} bound pictures of their own "
                "size, and those of a matcher have one; leave them out"
            )
        self.processor = processor

    def encode(self, conversation: Conversation, generator: torch.Generator) -> Fitted:
        """The pair, its picture opened; of several texts one that the generator draws.

        Raises:
            MediaError: the picture cannot be opened.
            DataError: there is not one picture, nothing is said of it, or it is not where it is
                stored any more.
        """
        texts = texts_of(conversation)
        text = texts[int(torch.randint(len(texts), (), generator=generator))]
        picture = with_content(_picture_of(conversation))["image"]
        name = conversation.sample_id
        return _noted(self.processor.encode_pair(picture, text, sample_id=name, cuts=True))

    def plan(self, conversation: Conversation) -> Fitted:
        """The pair with its longest text, and a picture that has a size and no pixels.

        Raises:
            MediaError, DataError: as `encode`, but for damage behind a header.
        """
        limits = self.processor.limits
        source = with_content(_picture_of(conversation))["image"]
        height, width = picture_size(source, limits=limits)
        longest = max((self.processor.cut(each) for each in texts_of(conversation)), key=_length)
        seen = EncodedImage(
            pixels=torch.empty(0),
            height=height,
            width=width,
            original_height=height,
            original_width=width,
        )
        return _noted(pair_sample(conversation.sample_id, *longest, seen))


def texts_of(conversation: Conversation) -> list[str]:
    """Everything that is said of the picture: by the assistant, in any of the alternatives.

    Raises:
        DataError: nothing is.
    """
    talks = (conversation.messages, *conversation.others)
    said = [_said(message) for talk in talks for message in talk if message["role"] == "assistant"]
    texts = [text for text in said if text]
    if not texts:
        raise DataError(
            f"sample {conversation.sample_id} says nothing of its picture; add what the assistant "
            "says"
        )
    return texts


def _said(message: Message) -> str:
    return "".join(part["text"] for part in parts_of(message) if part["type"] == "text").strip()


def _picture_of(conversation: Conversation) -> Mapping[str, Any]:
    parts = image_parts(conversation.messages)
    if len(parts) != 1 or parts[0]["type"] != "image":
        raise DataError(
            f"sample {conversation.sample_id} has {len(parts)} pictures or clips, and a pair has "
            "one picture; leave the sample out"
        )
    return parts[0]


def _length(cut: tuple[list[int], int]) -> int:
    return len(cut[0]) + cut[1]


def _noted(sample: Sample) -> Fitted:
    if not sample.num_truncated:
        return Fitted(sample)
    return Fitted(sample, (LeftOut(sample.sample_id, CUT, f"{sample.num_truncated} tokens"),))
