"""A processor that remembers which conversations became the last sample.

Every sample goes through a processor, so whatever draws or reads it, its conversations are known.
"""

from collections.abc import Sequence

from triptych.processor import Message, Processor


class OverhearingProcessor(Processor):
    """Does what a processor does, and keeps the conversations it was last given in `heard`."""

    heard: list[Sequence[Message]]

    @classmethod
    def of(cls, processor: Processor) -> "OverhearingProcessor":
        """The same processor, with ears."""
        made = cls(processor.config, processor.model, processor.tokenizer)
        made.pictures = processor.pictures
        made.heard = []
        return made

    def _hear(self, conversations: Sequence[Sequence[Message]]) -> None:
        self.heard[:] = conversations  # shared with copies
