"""How strands are read: what of them next, where it is kept, and one forward for all.

A short prompt that nobody shares goes into a slot, and the answer grows behind it. Otherwise what
is shared, and what ends with the last picture, becomes a beginning that several can go on from,
and only the rest goes into a slot. Runs that follow each other, and strands that share a run, may
be read in the same forward: every layer writes before it reads.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.errors import ShapeError
from triptych.fusion.gated import Gated
from triptych.fusion.memory import GatedMemory
from triptych.fusion.strips import StripInputs
from triptych.fusion.vlm import VLM
from triptych.generate.beginnings import LEAST_SHARED, Beginnings, common_length
from triptych.generate.request import Strand
from triptych.generate.sampling import likeliest
from triptych.generate.visual_tokens import MOST_TOGETHER, VisualTokenCache
from triptych.nn.ragged import RaggedCache, Strip
from triptych.shapes import Places

LONGEST_IN_SLOT = 512
"""Tokens of a prompt that a slot takes; slots are padded to the longest, so not more."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some tokens of a strand that are to be read now."""

    strand: Strand
    start: int
    stop: int
    strip: Strip
    draft: Sequence[int] = ()
    """Tokens at the end of them that nobody has chosen yet."""

    @property
    def num_kept(self) -> int:
        """Of how many tokens at the end the logits are needed."""
        if self.stop < self.strand.num_prompt_tokens:
            return 0
        return self.stop - max(self.start, self.strand.num_prompt_tokens - 1)


class Reader:
    """Reads strands of one model, and knows where what was read is kept."""

    def __init__(self, model: VLM, visual_bytes: int) -> None:
        """`visual_bytes` is what visual tokens of pictures may take."""
        self.model = model
        self.slots = model.language.open_slots()
        language = model.language.config
        token = 2 * language.depth * language.num_kv_heads * language.head_width
        self.token_bytes = token * self.slots.keys[0].element_size()
        """What keys and values of one token take in all layers."""
        self.beginnings = Beginnings(self.token_bytes)
        self.visual_tokens = VisualTokenCache(model, visual_bytes)
        self._rows: list[Strand] = []
        """Which strand has each slot."""
        self._looking: tuple[tuple[int, ...], GatedMemory] | None = None
        self._encoding: tuple[Strand | None, Future[dict[bytes, Tensor]]] | None = None
        """Whose pictures are being encoded in the background; nobody's when it was cancelled."""

    @property
    def memory_bytes(self) -> int:
        """Of all that is kept."""
        kept = self.slots.memory_bytes + self.beginnings.memory_bytes
        return kept + self.visual_tokens.memory_bytes

    # -- what to read ------------------------------------------------------------------------------

    def go_on(self, strand: Strand, draft: Sequence[int]) -> Piece:
        """The tokens of an answer that were chosen last, and a draft of more."""
        start = strand.num_read
        strand.num_read = len(strand.token_ids) + len(draft)
        count = strand.num_read - start
        return Piece(strand, start, strand.num_read, self._strip(strand, count, start), draft)

    def read_prompt(
        self, strand: Strand, room: int, coming: Sequence[Strand], *, beside: bool
    ) -> tuple[list[Piece], int]:
        """As much of a prompt as there is room for, in tokens; and how much room is left.

        `coming` are the prompts that are to be read beside and after it. Nothing is read where it
        begins with what another is reading just now, nor while its pictures are being encoded,
        which is done in the background where others are to go on meanwhile (`beside`).
        """
        pieces: list[Piece] = []
        while room > 0 and strand.num_read < strand.num_prompt_tokens:
            stop = self._open(strand, coming, beside)
            if stop is None:
                break
            start = strand.num_read
            # Tokens that see each other in both directions are read at once.
            count = min(stop - start, max(room, strand.sample.num_mutual - start))
            strip = self._strip(strand, count, start)
            pieces.append(Piece(strand, start, start + count, strip))
            strand.num_read += count
            room -= count
            if strand.is_reading and strand.beginning is not None:
                strand.beginning.num_read += count
                strand.is_reading = strand.num_read < stop
        return pieces, room

    def wait(self) -> None:
        """Wait for the pictures that are being encoded in the background, if there are any."""
        if self._encoding is not None:
            wait([self._encoding[1]])

    def _open(self, strand: Strand, coming: Sequence[Strand], beside: bool) -> int | None:
        """See to it that a prompt can be read on; up to where, or None where it must wait."""
        if strand.row is None and not strand.is_reading:
            if not self._find_beginning(strand):
                return None
            if not self._look_at_pictures(strand, coming, beside):
                return None
            shared = _shared_with(strand, coming)
            end = _next_boundary(strand, shared)
            if end is not None:
                self._begin(strand, end)
            else:
                self._open_slot(strand, shared)
        return strand.num_before if strand.is_reading else strand.num_prompt_tokens

    def _open_slot(self, strand: Strand, shared: int) -> None:
        """Give a strand a slot, with a copy of a short beginning that it alone goes on from."""
        strand.row = self.slots.open()
        self._rows.append(strand)
        beginning, length = strand.beginning, strand.num_before
        if beginning is None or beginning.num_users > 1 or shared >= length:
            return
        chain = beginning.chain
        if length <= LONGEST_IN_SLOT and all(each.is_read for each in chain):
            self.slots.copy_in(strand.row, [each.cache for each in chain])
            strand.stand_on(None)

    def _find_beginning(self, strand: Strand) -> bool:
        """Go on from the longest beginning there is; False where that is being read by another."""
        found, length = self.beginnings.match(strand.keys[:-1])
        if found is not None and not found.is_ready:
            return False
        if found is not None and length > strand.num_read:
            strand.num_reused += length - strand.num_read
            strand.num_read = length
            strand.stand_on(found)
        return True

    def _begin(self, strand: Strand, end: int) -> None:
        """Start a beginning that others can go on from."""
        keys = strand.keys[strand.num_read : end]
        cache = self.model.language.allocate_cache(1, len(keys))
        strand.stand_on(self.beginnings.add(strand.beginning, keys, cache))
        strand.is_reading = True

    def _strip(self, strand: Strand, count: int, start: int) -> Strip:
        chain = [] if strand.beginning is None else strand.beginning.chain
        caches = [each.cache for each in chain]
        num_mutual = strand.sample.num_mutual if start == 0 else 0
        if strand.is_reading:
            return Strip(count, None, caches[-1], tuple(caches[:-1]), num_mutual)
        return Strip(count, strand.row, None, tuple(caches), num_mutual)

    # -- pictures ----------------------------------------------------------------------------------

    def _look_at_pictures(self, strand: Strand, coming: Sequence[Strand], beside: bool) -> bool:
        """Encode what the rest of the prompt shows, and beside it what others wait for.

        False while that is being done in the background.
        """
        needs = isinstance(self.model.fusion, Gated) or strand.has_pictures_left
        if strand.visual is not None or strand.memory is not None or not needs:
            return True
        if not self._is_encoded(strand):
            return False
        wanted = dict(strand.images)
        for other in coming:
            if other.num_read == 0 and len(wanted) < MOST_TOGETHER:
                wanted.update(other.images)
        if beside and strand.encoded is None:
            future = self.visual_tokens.start(wanted)
            if future is not None:
                self._encoding = strand, future
                return False
        tokens = self.visual_tokens.get(wanted) if strand.encoded is None else strand.encoded
        self._show(strand, [tokens[name] for name in strand.pictures])
        return True

    def _is_encoded(self, strand: Strand) -> bool:
        """Whether nothing is being encoded any more; takes what was encoded for this strand."""
        if self._encoding is None:
            return True
        owner, future = self._encoding
        if not future.done() or owner not in (strand, None):
            return False
        self._encoding = None
        held = self.visual_tokens.keep(future.result())
        if owner is strand:
            known = self.visual_tokens.get(
                {name: image for name, image in strand.images.items() if name not in held}
            )
            strand.encoded = {**known, **held}
        return True

    def _show(self, strand: Strand, visual: Sequence[Tensor]) -> None:
        """Lay visual tokens ready for a strand."""
        strand.encoded = None
        if isinstance(self.model.fusion, Gated):
            strand.memory = self.model.fusion.remember(visual)
            return
        for own, span in zip(visual, strand.sample.spans, strict=True):
            if len(own) != span.num_slots:
                raise ShapeError(
                    f"the picture at position {span.start} became {len(own)} visual tokens but "
                    f"the prompt reserves {span.num_slots}; make the sample with this model's own "
                    "processor"
                )
        strand.visual = torch.cat(list(visual))

    # -- one forward -------------------------------------------------------------------------------

    def read(self, pieces: Sequence[Piece]) -> None:
        """Read all pieces, and leave their strands the logits that answers go on from."""
        window = self.model.language.config.window
        cache = RaggedCache(self.slots, [piece.strip for piece in pieces], window)
        kept: list[int] = []
        first = 0
        for piece in pieces:
            first += piece.stop - piece.start
            kept += range(first - piece.num_kept, first)
        hidden = self.model.advance(self._inputs(pieces), cache, self._wanted(kept, first))
        cache.finish()
        if not kept:
            return
        logits = self.model.language.head(hidden)[0]
        answered = [piece for piece in pieces if piece.num_kept]
        split = torch.split(logits, [piece.num_kept for piece in answered])
        told = iter(_told(logits))
        for piece, own in zip(answered, split, strict=True):
            piece.strand.logits = own
            piece.strand.likeliest = list(islice(told, len(own)))
            piece.strand.visual = None

    def _wanted(self, kept: Sequence[int], num_tokens: int) -> Places | None:
        """The tokens whose hidden states are asked for; None if those are all."""
        if len(kept) == num_tokens:
            return None
        # One at least: kernels may refuse none.
        positions = torch.tensor(kept or [0], device=self.model.device)
        return torch.zeros_like(positions), positions

    def _inputs(self, pieces: Sequence[Piece]) -> StripInputs:
        token_ids: list[int] = []
        positions: list[Tensor] = []
        places: list[int] = []
        visual: list[Tensor] = []
        for piece in pieces:
            strand, start, stop = piece.strand, piece.start, piece.stop
            if strand.visual is not None:
                which, own = strand.slots(start, stop)
                places += [len(token_ids) + place for place in own]
                visual.append(strand.visual[which])
            token_ids += [*strand.token_ids[start:stop], *piece.draft]
            positions.append(strand.positions(start, stop))
        device = self.model.device
        axes = torch.cat(positions, dim=1)[:, None].to(device)
        has_one_axis = pieces[0].strand.sample.position_ids.ndim == 1
        memory, counts = self._memory(pieces)
        return StripInputs(
            token_ids=torch.tensor([token_ids], device=device),
            position_ids=axes[0] if has_one_axis else axes,
            slots=torch.tensor(places, dtype=torch.long, device=device),
            visual=torch.cat(visual) if places else None,
            memory=memory,
            image_counts=counts,
        )

    def _memory(
        self, pieces: Sequence[Piece]
    ) -> tuple[GatedMemory | None, Int[Tensor, "1 token"] | None]:
        """What pictures outside the sequences look like, and which of them each token sees."""
        memories = {id(piece.strand): piece.strand.memory for piece in pieces}
        told = [memory for memory in memories.values() if memory is not None]
        if not told:
            return None, None
        names = tuple(map(id, told))
        if self._looking is None or self._looking[0] != names:
            self._looking = names, GatedMemory.beside(told)
        before: dict[int, int] = {}
        total = 0
        for name, memory in memories.items():
            before[name] = total
            total += 0 if memory is None else memory.num_images
        counts: list[int] = []
        for piece in pieces:
            begun = piece.strand.num_images(piece.start, piece.stop)
            counts += [before[id(piece.strand)] + count if count else 0 for count in begun]
        return self._looking[1], torch.tensor([counts], device=self.model.device)

    # -- what is kept ------------------------------------------------------------------------------

    def forget_wrong(self, strand: Strand) -> None:
        """Forget what was read of a draft that did not come true."""
        # The token chosen last has not been read yet.
        wrong = strand.num_read - (len(strand.token_ids) - 1)
        if wrong > 0 and strand.row is not None:
            self.slots.lengths[strand.row] -= wrong
            strand.num_read -= wrong

    def keep(self, strand: Strand, keep_bytes: int) -> None:
        """Keep what a slot holds as beginnings for others, if it is worth it.

        `keep_bytes` is what all beginnings may take then.
        """
        keys = strand.keys_read
        for end in (min(last_boundary(strand), len(keys)), len(keys)):
            parent, start = self.beginnings.match(keys[:end])
            is_there = parent is None or parent.is_read
            if strand.row is None or end - start < LEAST_SHARED or not is_there:
                continue
            needed = self.token_bytes * (end - start)
            if start >= strand.num_before and self.beginnings.shrink(keep_bytes - needed):
                kept = self.slots.copy_out(
                    strand.row, start - strand.num_before, end - strand.num_before
                )
                self.beginnings.add(parent, keys[start:end], kept).num_read = end - start

    def close(self, strand: Strand) -> None:
        """Give up all that a strand holds."""
        if strand.row is not None:
            self._close_row(strand.row)
            strand.row = None
        begun = strand.beginning if strand.is_reading else None
        strand.stand_on(None)
        if begun is not None:
            self.beginnings.drop(begun)
        strand.is_reading = False
        strand.visual = strand.memory = strand.logits = strand.encoded = None
        self._looking = None
        if self._encoding is not None and self._encoding[0] is strand:
            self._encoding = None, self._encoding[1]

    def clear(self) -> None:
        """Forget all that no strand uses."""
        self.visual_tokens.clear()
        self.beginnings.shrink(0)
        self.slots.shrink()

    def _close_row(self, row: int) -> None:
        """The last slot moves into the place of the closed one."""
        self.slots.close(row)
        moved = self._rows.pop()
        if row < len(self._rows):
            self._rows[row], moved.row = moved, row
        self.slots.shrink()


def _told(logits: Float[Tensor, "token vocab"]) -> Iterator[tuple[int, float, float]]:
    """The likeliest of every row, its logit, and the log of the sum; asked of the device once for
    all requests, because it is waited for each time."""
    chosen = likeliest(logits)
    wide = logits.float()
    values = torch.stack([wide.gather(1, chosen[:, None])[:, 0], wide.logsumexp(dim=-1)])
    tops, sums = cast(list[list[float]], values.tolist())
    return zip(cast(list[int], chosen.tolist()), tops, sums, strict=True)


def last_boundary(strand: Strand) -> int:
    """Where the beginnings of a prompt end, and what is its alone begins; 0 without any."""
    sample, last = strand.sample, strand.num_prompt_tokens - 1
    if sample.num_mutual > last:
        return 0
    end = max((span.stop for span in sample.spans), default=0)
    end = min(max(end, sample.num_mutual), last)
    return last if last - end > LONGEST_IN_SLOT else end


def _next_boundary(strand: Strand, shared: int) -> int | None:
    """Where the next beginning to be read ends; None where the rest goes into a slot.

    `shared` is how much of the prompt another will want, too.
    """
    last = last_boundary(strand)
    is_short = strand.num_prompt_tokens <= LONGEST_IN_SLOT
    ends = [] if is_short and shared < last else [last]
    if shared - strand.num_read >= LEAST_SHARED:
        ends.append(shared)
    least = max(strand.num_read + 1, strand.sample.num_mutual)
    return min((end for end in ends if end >= least), default=None)


def _shared_with(strand: Strand, others: Sequence[Strand]) -> int:
    """The most tokens that this prompt and another begin with alike."""
    keys = strand.keys[:-1]
    lengths = (common_length(keys, other.keys[:-1]) for other in others if other is not strand)
    return max(lengths, default=0)
