"""A processor that remembers which conversations became the last sample.

Every sample goes through a processor, so whatever draws or reads it, its conversations are known.
"""

from collections.abc import Sequence

from triptych.pictures import EncodedImage
from triptych.processor import Message, Processor, Sample


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

    def encode(
        self,
        messages: Sequence[Message],
        *,
        sample_id: str = "",
        add_generation_prompt: bool = False,
        features: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """As `Processor.encode`."""
        self.heard[:] = [messages]  # shared with copies
        return super().encode(
            messages,
            sample_id=sample_id,
            add_generation_prompt=add_generation_prompt,
            features=features,
        )

    def encode_conversations(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        sample_id: str = "",
        images: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """As `Processor.encode_conversations`."""
        self.heard[:] = conversations
        return super().encode_conversations(conversations, sample_id=sample_id, images=images)

    def encode_answers(
        self,
        messages: Sequence[Message],
        answers: Sequence[str],
        *,
        sample_id: str = "",
        features: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """As `Processor.encode_answers`."""
        self.heard[:] = [
            [*messages, {"role": "assistant", "content": answer}] for answer in answers
        ]
        return super().encode_answers(messages, answers, sample_id=sample_id, features=features)
