"""A conversation as one sequence that fits: encoded, or planned from the headers of its pictures.

Planning and encoding are the same path. A planned picture has a size and no pixels, so the planned
sequence has exactly the tokens that the encoded one will have.

Where a sequence is too long, pictures at their own size are shrunk until it fits; then further
questions about them are left out, the last ones first; then the end of the text is cut. Each is
reported. A picture is never cut.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from triptych.data.ledger import LeftOut
from triptych.data.sources.conversation import Conversation, Message, StoredPicture
from triptych.errors import TokenError
from triptych.inputs import IGNORED
from triptych.media import NativeResizeConfig, picture_size
from triptych.pictures import VISUAL_PARTS, EncodedImage, with_pixels
from triptych.processor import Processor, Sample, image_parts

Part: TypeAlias = Mapping[str, Any]
See: TypeAlias = Callable[[Part], EncodedImage]
"""What the model takes of the picture or clip of a part."""

SHRUNK, FEWER, CUT = CHANGES = "picture shrunk", "questions left out", "end cut off"
"""What may be done to a sequence so that it fits, as the ledger calls it."""

_UNBOUNDED = 2**31
_TRIES = 32
"""Of shrinking; each goes a twentieth further than the last."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A sequence that fits, and what had to be changed for it."""

    sample: Sample
    changes: tuple[LeftOut, ...] = ()


class Fitting:
    """Turn conversations into sequences of at most the processor's `max_tokens`."""

    def __init__(
        self, processor: Processor, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> None:
        """`min_pixels` and `max_pixels` bound every picture that says no bound of its own.

        Raises:
            ConfigError: they are given, and this model's pictures have one size.
        """
        with_pixels(processor.config.resize, min_pixels, max_pixels)
        bounds = {"min_pixels": min_pixels, "max_pixels": max_pixels}
        self.processor = processor
        self.bounds = {name: bound for name, bound in bounds.items() if bound is not None}
        self._unbounded = copy(processor)
        self._unbounded.config = replace(processor.config, max_tokens=_UNBOUNDED)

    def encode(self, conversation: Conversation) -> Fitted:
        """The sequence, with its pictures opened.

        Raises:
            MediaError: a picture cannot be opened.
            DataError: a picture is not where it is stored any more.
            TokenError: it cannot be made to fit, or has no answer.
        """
        return self._fit(conversation, self._opened)

    def plan(self, conversation: Conversation) -> Fitted:
        """The same sequence, with pictures that have sizes and no pixels; clips are opened.

        Raises:
            MediaError, DataError, TokenError: as `encode`, but for damage behind a header.
        """
        return self._fit(conversation, self._measured)

    # -- pictures -----------------------------------------------------------------------------

    def _opened(self, part: Part) -> EncodedImage:
        return self.processor.pictures.encode_part(with_content(part))

    def _measured(self, part: Part) -> EncodedImage:
        pictures = self.processor.pictures
        if part["type"] != "image":
            return self._opened(part)
        source = with_content(part)["image"]
        return pictures.planned_part(part, *picture_size(source, limits=pictures.limits))

    def _bounded(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        if not self.bounds:
            return tuple(messages)
        return tuple(_map_pictures(message, self._with_bounds) for message in messages)

    def _with_bounds(self, part: Part) -> Part:
        has_own = "min_pixels" in part or "max_pixels" in part
        return part if has_own else {**part, **self.bounds}

    # -- sequences ----------------------------------------------------------------------------

    def _fit(self, conversation: Conversation, see: See) -> Fitted:
        all_messages = [self._bounded(m) for m in (conversation.messages, *conversation.others)]
        parts = image_parts(all_messages[0])
        images = [see(part) for part in parts]
        whole = self._sequence(self._unbounded, conversation.sample_id, all_messages, images)
        changes: list[LeftOut] = []
        if len(whole.token_ids) > self.processor.config.max_tokens:
            whole, images, change = self._shrunk(whole, all_messages, parts, images, see)
            changes += change
        if len(whole.token_ids) > self.processor.config.max_tokens:
            whole, change = self._shortened(whole, all_messages, images)
            changes += change
        if all(label == IGNORED for label in whole.labels):
            raise TokenError(
                f"sample {conversation.sample_id} has no answer to learn; add what the assistant "
                "says"
            )
        return Fitted(whole, tuple(changes))

    def _sequence(
        self,
        processor: Processor,
        sample_id: str,
        all_messages: Sequence[Sequence[Message]],
        images: Sequence[EncodedImage],
    ) -> Sample:
        if len(all_messages) == 1:
            return processor.encode(all_messages[0], sample_id=sample_id, features=images)
        return processor.encode_conversations(all_messages, sample_id=sample_id, images=images)

    def _shrunk(
        self,
        whole: Sample,
        all_messages: Sequence[Sequence[Message]],
        parts: Sequence[Part],
        images: Sequence[EncodedImage],
        see: See,
    ) -> tuple[Sample, Sequence[EncodedImage], list[LeftOut]]:
        """The sequence with smaller pictures, if that makes it fit."""
        num_visual = sum(span.num_slots for span in whole.spans)
        room = self.processor.config.max_tokens - (len(whole.token_ids) - num_visual)
        budgets = self._budgets(parts, images, room)
        if budgets is None:
            return whole, images, []
        smaller = [
            see({**_without(part, "min_pixels"), "max_pixels": budget})
            for part, budget in zip(parts, budgets, strict=True)
        ]
        sample = self._sequence(self._unbounded, whole.sample_id, all_messages, smaller)
        sizes = ", ".join(
            f"{before.width} x {before.height} to {after.width} x {after.height}"
            for before, after in zip(images, smaller, strict=True)
        )
        return sample, smaller, [LeftOut(whole.sample_id, SHRUNK, f"{sizes} pixels")]

    def _budgets(
        self, parts: Sequence[Part], images: Sequence[EncodedImage], room: int
    ) -> list[int] | None:
        """The largest areas, all shrunk alike, at which the pictures take no more than `room`."""
        resize = self.processor.config.resize
        if not isinstance(resize, NativeResizeConfig) or not images:
            return None
        slots = [self._num_slots(image, image.height, image.width) for image in images]
        share = room / sum(slots)
        for _ in range(_TRIES):
            budgets = [int(image.height * image.width * share) for image in images]
            if min(budgets) < resize.factor**2:
                return None
            sizes = [
                with_pixels(resize, None, budget).target_size(
                    image.original_height or image.height, image.original_width or image.width
                )
                for image, budget in zip(images, budgets, strict=True)
            ]
            taken = sum(
                self._num_slots(image, *size) for image, size in zip(images, sizes, strict=True)
            )
            if taken <= room:
                return budgets
            share *= 0.95
        return None

    def _num_slots(self, image: EncodedImage, height: int, width: int) -> int:
        return self.processor.model.num_slots(height, width, image.num_slices, image.tiles)

    def _shortened(
        self,
        whole: Sample,
        all_messages: Sequence[Sequence[Message]],
        images: Sequence[EncodedImage],
    ) -> tuple[Sample, list[LeftOut]]:
        """The sequence with fewer conversations about its pictures, or else cut at its end."""
        sample_id, most = whole.sample_id, self.processor.config.max_tokens
        for count in range(len(all_messages) - 1, 0, -1):
            fewer = self._sequence(self._unbounded, sample_id, all_messages[:count], images)
            if len(fewer.token_ids) <= most:
                detail = f"the last {len(all_messages) - count} of {len(all_messages)}"
                return fewer, [LeftOut(sample_id, FEWER, detail)]
        cut = self._sequence(self.processor, sample_id, all_messages[:1], images)
        changes = [LeftOut(sample_id, CUT, f"{cut.num_truncated} tokens")]
        if len(all_messages) > 1:
            detail = f"the last {len(all_messages) - 1} of {len(all_messages)}"
            changes.append(LeftOut(sample_id, FEWER, detail))
        return cut, changes


def with_content(part: Part) -> Part:
    """The part with what a stored picture holds."""
    source = part[part["type"]]
    return {**part, part["type"]: source.read()} if isinstance(source, StoredPicture) else part


def _without(part: Part, name: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != name}


def _map_pictures(message: Message, change: Callable[[Part], Part]) -> Message:
    if isinstance(message["content"], str):
        return message
    content = [
        change(part) if part["type"] in VISUAL_PARTS else part for part in message["content"]
    ]
    return {**message, "content": content}
