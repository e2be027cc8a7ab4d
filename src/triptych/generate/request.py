"""One prompt on its way to an answer, while the engine works on many.

A request has one strand of tokens, or two where a contrast reads the prompt a second time with its
pictures hidden; both go on with the same answer.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.errors import TriptychError
from triptych.fusion.memory import GatedMemory
from triptych.generate.beginnings import Beginning, TokenKey, picture_content, token_keys
from triptych.generate.completion import Completion
from triptych.generate.lookup import Lookup
from triptych.generate.matching import Matcher
from triptych.generate.options import GenerationOptions
from triptych.generate.sampling import Alternatives
from triptych.generate.stopping import StopGate
from triptych.pictures import EncodedImage
from triptych.processor import Processor, Sample
from triptych.text import StreamDecoder


class Strand:
    """A prompt and the answer behind it: what has been read of them, and where it is kept."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.token_ids = list(sample.token_ids)
        """Prompt, then the answer as it grows."""
        self.num_prompt_tokens = len(sample.token_ids)
        positions = sample.position_ids
        self._positions = positions.reshape(-1, positions.shape[-1])
        self._next_position = int(positions.max()) + 1
        self.pictures = [picture_content(image) for image in sample.images]
        """Names of the pictures by their contents."""
        self.keys = token_keys(sample, self.pictures)
        """Of the prompt's tokens."""
        self.num_read = 0
        """Tokens whose keys and values are kept, those of beginnings included."""
        self.num_reused = 0
        """Of these, tokens that were read for another."""
        self.beginning: Beginning | None = None
        """The last beginning that stands before what the slot holds."""
        self.is_reading = False
        """Whether that one is being read by this strand."""
        self.row: int | None = None
        """Slot that holds what comes behind the beginnings."""
        self.encoded: dict[bytes, Tensor] | None = None
        """Visual tokens of its pictures by name, when they were encoded in the background."""
        self.visual: Float[Tensor, "slot visual_dim"] | None = None
        """What stands in the prompt's slots, while it is being read; None where none is left."""
        self.memory: GatedMemory | None = None
        """For fusions that keep pictures outside the sequence."""
        self.logits: Float[Tensor, "token vocab"] | None = None
        """Of what may follow each of the tokens read last."""
        self.likeliest: Sequence[tuple[int, float, float]] = ()
        """For each of these: the likeliest token, its logit, and the log of the sum of all."""
        self._slots = [position for span in sample.spans for position in span.positions]
        self._markers = [span.start for span in sample.spans]

    @property
    def num_before(self) -> int:
        """Tokens in the beginnings."""
        return 0 if self.beginning is None else self.beginning.num_tokens

    @property
    def keys_read(self) -> tuple[TokenKey, ...]:
        """Of all tokens read, those of the answer included."""
        return (*self.keys, *self.token_ids[self.num_prompt_tokens :])[: self.num_read]

    @property
    def images(self) -> dict[bytes, EncodedImage]:
        """The pictures by their names."""
        return dict(zip(self.pictures, self.sample.images, strict=True))

    @property
    def has_pictures_left(self) -> bool:
        """Whether slots of pictures are still to be read."""
        return any(span.stop > self.num_read for span in self.sample.spans)

    def stand_on(self, beginning: Beginning | None) -> None:
        """Go on from the end of this beginning, and no longer from another."""
        for each, change in ((self.beginning, -1), (beginning, 1)):
            if each is not None:
                each.num_users += change
        self.beginning = beginning

    def positions(self, start: int, stop: int) -> Int[Tensor, "axis token"]:
        """Of some tokens; those of the answer count on from the prompt's largest."""
        behind = range(max(start, self.num_prompt_tokens), stop)
        first = self._next_position - self.num_prompt_tokens
        told = self._positions[:, start : min(stop, self.num_prompt_tokens)]
        if not behind:
            return told
        steps = torch.arange(first + behind.start, first + behind.stop)
        return torch.cat([told, steps.expand(len(told), -1)], dim=1)

    def slots(self, start: int, stop: int) -> tuple[slice, Sequence[int]]:
        """Which visual tokens stand in a range of the sequence, and at which places of it."""
        first, last = bisect_left(self._slots, start), bisect_left(self._slots, stop)
        return slice(first, last), [place - start for place in self._slots[first:last]]

    def num_images(self, start: int, stop: int) -> list[int]:
        """How many pictures have begun up to and including each token of a range."""
        return [bisect_right(self._markers, position) for position in range(start, stop)]


class Request:
    """A prompt, how to answer it, and the answer so far."""

    def __init__(
        self,
        processor: Processor,
        sample: Sample,
        options: GenerationOptions,
        matcher: Matcher | None,
        hidden: Sample | None,
    ) -> None:
        """`hidden` is the same prompt with its pictures hidden, for a contrast."""
        self.options = options
        self.strands = [Strand(sample)] + ([] if hidden is None else [Strand(hidden)])
        self.generator = torch.Generator().manual_seed(options.seed)
        self.matcher = matcher
        self.token_ids: list[int] = []
        """Of the answer."""
        self.log_probabilities: list[float] = []
        self.alternatives: list[Alternatives] = []
        self.is_finished = False
        self.ended = False
        self.error: TriptychError | None = None
        """What kept it from being answered."""
        self._end_ids = processor.end_ids
        self._decoder = StreamDecoder(processor.tokenizer)
        self._gate = StopGate(options.stop)
        self._pieces: list[str] = []
        slot_ids = {processor.image_id, processor.video_id}
        self.previous = {token for token in sample.token_ids if token not in slot_ids}
        """Tokens that a repetition penalty weakens."""
        self._lookup = Lookup(sample.token_ids, slot_ids=slot_ids) if options.lookup else None
        self.draft: list[int] = []
        """Tokens that are read beside the last one on the chance that they come next."""

    @property
    def sample(self) -> Sample:
        return self.strands[0].sample

    @property
    def num_left(self) -> int:
        """Tokens that may still come."""
        return self.options.max_new_tokens - len(self.token_ids)

    def push(self, token_id: int, log_probability: float, alternatives: Alternatives = ()) -> None:
        """Take up the next token of the answer."""
        self.token_ids.append(token_id)
        self.log_probabilities.append(log_probability)
        if self.options.num_alternatives:
            self.alternatives.append(alternatives)
        self.previous.add(token_id)
        for strand in self.strands:
            strand.token_ids.append(token_id)
        if self._lookup is not None:
            self._lookup.push(token_id)
        if token_id in self._end_ids:
            self._finish(ended=True)
            return
        if self.matcher is not None:
            self.matcher.accept(token_id)
        self._pieces.append(self._gate.push(self._decoder.push(token_id)))
        if self._gate.is_shut or not self.num_left:
            self._finish(ended=self._gate.is_shut)

    def guess(self) -> None:
        """Draft what may come behind the last token."""
        self.draft = []
        if self._lookup is not None and self.num_left > 1:
            self.draft = self._lookup.draft(min(self.options.lookup, self.num_left - 1))

    def stop(self) -> None:
        """Leave the rest unsaid."""
        if not self.is_finished:
            self._finish(ended=False)

    def take_pieces(self) -> list[str]:
        """Text that may be shown and has not been taken yet."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def completion(self) -> Completion:
        """The answer so far."""
        return Completion(
            text=self._gate.text,
            token_ids=tuple(self.token_ids),
            log_probability=sum(self.log_probabilities),
            ended=self.ended,
            num_prompt_tokens=self.strands[0].num_prompt_tokens,
            log_probabilities=tuple(self.log_probabilities),
            alternatives=tuple(self.alternatives),
            num_reused_tokens=self.strands[0].num_reused,
        )

    def _finish(self, *, ended: bool) -> None:
        self.is_finished, self.ended = True, ended
        self._pieces.append(self._gate.push(self._decoder.flush()) + self._gate.flush())
        self.ended = ended or self._gate.is_shut
