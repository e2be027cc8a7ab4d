"""Pieces of text and picture slots to one sequence.

    pieces -> token ids, labels, branches, positions, spans -> Sample

Several conversations that begin alike can be one sequence: the equal beginning stands in it once,
and each conversation goes on from there in a branch of its own, which the others do not see.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from triptych.errors import TokenError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.inputs import IGNORED, PREFIX_BRANCH, ImageSpan, VisualLabels
from triptych.language import RotaryConfig, TextPositionsConfig
from triptych.nn.rotary import multimodal_positions
from triptych.pictures import EncodedImage
from triptych.shapes import Tiles
from triptych.text import ImagePiece, Piece, TextPiece


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sequence before it is batched."""

    sample_id: str
    token_ids: list[int]
    labels: list[int]
    branches: list[int]
    """All zero unless several conversations share a beginning; see `ModelInputs.branches`."""
    position_ids: Int[Tensor, "*axis token"]
    images: tuple[EncodedImage, ...]
    spans: tuple[ImageSpan, ...]
    weights: list[float] | None = None
    """How much each label counts; None for 1 each."""
    visual_labels: tuple[VisualLabels, ...] = ()
    """What the visual tokens of each picture show, where that is known; or empty."""
    num_mutual: int = 0
    """Leading tokens all of which see each other; what follows is causal."""
    num_truncated: int = 0
    """Tokens cut from the end to fit `max_tokens`."""


Branches = Sequence[Sequence[Piece]]
"""The shared beginning, then what each conversation adds to it; a plain sequence is one entry."""


Around = Callable[[Tiles], list[list[int]]]
"""What is written in front of each tile of a picture and behind the last, as token ids."""


def share_beginning(conversations: Sequence[Sequence[Piece]]) -> Branches:
    """The longest beginning that all conversations have, then what each adds to it.

    Compared token by token; a picture's slots are one. The beginning ends before the first token
    that is to be learned, because that is learned once in every conversation.

    Raises:
        TokenError: the pictures are not all in the beginning, or nothing stands before an answer.
    """
    shared: list[Piece] = []
    index = 0
    columns = zip(*conversations, strict=False)
    for column in columns:
        first = column[0]
        if isinstance(first, TextPiece) and first.is_answer:
            break
        if any(piece != first for piece in column):
            shared += _common_text(column)
            break
        shared.append(first)
        index += 1
    branches = [shared, *(_without(pieces, shared, index) for pieces in conversations)]
    _check_shared(branches)
    return branches


def _common_text(column: Sequence[Piece]) -> list[Piece]:
    """What unequal pieces have in common at their beginning, if they are text."""
    rows: list[list[int]] = []
    for piece in column:
        if not isinstance(piece, TextPiece) or piece.is_answer:
            return []
        rows.append(piece.token_ids)
    length = 0
    for tokens in zip(*rows, strict=False):
        if len(set(tokens)) > 1:
            break
        length += 1
    return [TextPiece(rows[0][:length], False)] if length else []


def _without(pieces: Sequence[Piece], shared: Sequence[Piece], num_whole: int) -> list[Piece]:
    """What a conversation adds to `num_whole` equal pieces and an equal part of the next."""
    rest = list(pieces[num_whole:])
    if len(shared) > num_whole:
        partial, whole = shared[num_whole], rest[0]
        assert isinstance(partial, TextPiece) and isinstance(whole, TextPiece)
        tail = whole.token_ids[len(partial.token_ids) :]
        rest[:1] = [TextPiece(tail, False)] if tail else []
    return rest


def _check_shared(branches: Branches) -> None:
    shared, *own = branches
    num_shared = _num_images(shared)
    for pieces in own:
        if num_own := _num_images(pieces):
            raise TokenError(
                f"a conversation has {num_shared + num_own} pictures, of which only "
                f"{num_shared} come before the conversations differ or answer; begin each with "
                "all of the same pictures, or encode the conversations one by one"
            )
        first = pieces[0] if pieces else None
        if not shared and isinstance(first, TextPiece) and first.is_answer:
            raise TokenError(
                "an answer has nothing in front of it that could be shared; begin with a picture "
                "or a question"
            )


def assemble(
    model: VLMConfig,
    branches: Branches,
    images: Sequence[EncodedImage],
    *,
    slot_ids: tuple[int, int],
    max_tokens: int,
    sample_id: str = "",
    around: Around | None = None,
) -> Sample:
    """One sequence of all branches, with room for the pictures, cut to `max_tokens`.

    `slot_ids` are the tokens that reserve the room, of a picture and of a clip; `around` what is
    written around the tiles of a picture.

    Raises:
        TokenError: there are more or fewer pictures than slots, or cutting the end of the sequence
            would cut a picture or leave no label.
    """
    num_slots = sum(_num_images(pieces) for pieces in branches)
    if num_slots != len(images):
        raise TokenError(
            f"{_named(sample_id)} has {num_slots} pictures but {len(images)} were given encoded; "
            "give one for each image or video part, in order"
        )
    token_ids: list[int] = []
    labels: list[int] = []
    lengths: list[int] = []
    spans: list[ImageSpan] = []
    for pieces in branches:
        start = len(token_ids)
        for piece in pieces:
            if isinstance(piece, ImagePiece):
                image = images[piece.image_index]
                span = _span(model, image, len(token_ids), sample_id)
                ids, span = _with_slots(span, slot_ids[image.is_clip], around)
                spans.append(span)
                is_answer = False
            else:
                ids, is_answer = piece.token_ids, piece.is_answer
            token_ids += ids
            labels += ids if is_answer else [IGNORED] * len(ids)
        lengths.append(len(token_ids) - start)
    sample = Sample(
        sample_id=sample_id,
        token_ids=token_ids,
        labels=labels,
        branches=[branch for branch, length in enumerate(lengths) for _ in range(length)],
        position_ids=_positions(model, lengths, spans),
        images=tuple(images),
        spans=tuple(spans),
        num_mutual=_num_mutual(model, branches, labels[: lengths[0]], spans),
    )
    return _fit(sample, max_tokens)


def answered(
    model: VLMConfig,
    prompt: Sample,
    answers: Sequence[Sequence[int]],
    weights: Sequence[float] | None = None,
) -> Sample:
    """A prompt with several answers given as token ids, each a branch and labelled throughout.

    `weights` says how much each answer counts. Branches that `prompt` already has are left out.
    """
    num_prefix = prompt.branches.count(PREFIX_BRANCH)
    token_ids = prompt.token_ids[:num_prefix]
    labels, branches = [IGNORED] * num_prefix, [PREFIX_BRANCH] * num_prefix
    counts = [0.0] * num_prefix
    for index, answer in enumerate(answers):
        token_ids += answer
        labels += answer
        branches += [index + 1] * len(answer)
        counts += [1.0 if weights is None else weights[index]] * len(answer)
    lengths = [num_prefix, *map(len, answers)]
    return replace(
        prompt,
        token_ids=token_ids,
        labels=labels,
        branches=branches,
        weights=None if weights is None else counts,
        position_ids=_positions(model, lengths, prompt.spans),
    )


TYPICAL_ANSWER = 4
"""Tokens of an answer each of which counts 1 in `weighed_by_length`."""


def weighed_by_length(sample: Sample) -> Sample:
    """The sample with every answer counting as the square root of its length, not as its length.

    Otherwise one long answer would outweigh dozens that are a word long; were all to count alike,
    a token of a long answer would hardly count (square averaging, InternVL 2.5, section 3.3:
    https://arxiv.org/abs/2412.05271).
    """
    lengths: Counter[int] = Counter()
    for branch, label in zip(sample.branches, sample.labels, strict=True):
        lengths[branch] += label != IGNORED
    weights = [(TYPICAL_ANSWER / max(1, lengths[branch])) ** 0.5 for branch in sample.branches]
    return replace(sample, weights=weights)


def _num_images(pieces: Sequence[Piece]) -> int:
    return sum(isinstance(piece, ImagePiece) for piece in pieces)


def _span(model: VLMConfig, image: EncodedImage, start: int, sample_id: str) -> ImageSpan:
    return ImageSpan(
        batch_index=0,
        start=start,
        num_slots=model.num_slots(image.height, image.width, image.num_slices, image.tiles),
        token_grid=None if image.tiles else model.token_grid(image.height, image.width),
        num_frames=image.num_slices,
        seconds_per_frame=image.seconds_per_slice,
        tiles=image.tiles,
        sample_id=sample_id,
    )


def _with_slots(
    span: ImageSpan, slot_id: int, around: Around | None
) -> tuple[list[int], ImageSpan]:
    """The slots of a picture with the words around its tiles, and where the slots now stand."""
    if span.tiles is None or around is None:
        return [slot_id] * span.num_slots, span
    first, *others = around(span.tiles)
    share = span.num_slots // span.tiles.num_tiles
    ids: list[int] = []
    offsets: list[int] = []
    for behind in others:
        offsets += range(len(ids), len(ids) + share)
        ids += [slot_id] * share + behind
    is_one_run = len(offsets) == offsets[-1] + 1
    start = span.start + len(first)
    return first + ids, replace(span, start=start, offsets=None if is_one_run else tuple(offsets))


def _num_mutual(
    model: VLMConfig, branches: Branches, labels: Sequence[int], spans: Sequence[ImageSpan]
) -> int:
    """How many tokens at the beginning see each other, whose labels are given."""
    mutual = model.fusion.mutual if isinstance(model.fusion, SpliceConfig) else "nothing"
    if mutual == "pictures":
        stop = 0
        for span in spans:
            stop = span.stop if span.start == stop else stop
        return stop
    if mutual == "nothing":
        return 0
    for pieces in branches[1:]:
        if not isinstance(pieces[0], TextPiece) or not pieces[0].is_answer:
            raise TokenError(
                "this model reads its whole prompt in both directions, so conversations with "
                "different questions cannot share a beginning; encode them one by one"
            )
    return next((i for i, label in enumerate(labels) if label != IGNORED), len(labels))


def _positions(
    model: VLMConfig, lengths: Sequence[int], spans: Sequence[ImageSpan]
) -> Int[Tensor, "*axis token"]:
    """Positions count up along the beginning and go on behind it anew in every branch."""
    prefix = _prefix_positions(model, lengths[0], spans)
    start = int(prefix.max()) + 1 if lengths[0] else 0
    steps = [step for length in lengths[1:] for step in range(start, start + length)]
    tail = torch.tensor(steps, dtype=torch.long).expand(*prefix.shape[:-1], -1)
    return torch.cat([prefix, tail], dim=-1)


def _prefix_positions(
    model: VLMConfig, length: int, spans: Sequence[ImageSpan]
) -> Int[Tensor, "*axis token"]:
    positions = model.language.positions
    if isinstance(positions, TextPositionsConfig):
        # Pictures count nothing; what stands for them has the position of the text before, or -1.
        is_text = torch.ones(length, dtype=torch.long)
        is_text[[each for span in spans for each in span.positions]] = 0
        return is_text.cumsum(dim=0) - 1
    if not isinstance(positions, RotaryConfig) or positions.mrope_sections is None:
        return torch.arange(length)
    blocks = [
        (span.start, span.num_frames, span.token_grid.rows, span.token_grid.cols)
        for span in spans
        if span.token_grid is not None
    ]
    seconds = [span.seconds_per_frame for span in spans if span.token_grid is not None]
    a_second = positions.tokens_per_second
    steps = [1.0 if a_second is None or each is None else a_second * each for each in seconds]
    return multimodal_positions(length, blocks, steps)


def _fit(sample: Sample, max_tokens: int) -> Sample:
    excess = len(sample.token_ids) - max_tokens
    if excess <= 0:
        return sample
    problem = (
        f"{_named(sample.sample_id)} takes {len(sample.token_ids)} tokens, "
        f"{excess} more than {max_tokens}"
    )
    if any(span.stop > max_tokens for span in sample.spans):
        raise TokenError(
            f"{problem}, and a picture would be cut; use a smaller picture or fewer turns"
        )
    if all(label == IGNORED for label in sample.labels[:max_tokens]):
        raise TokenError(f"{problem}, and no answer would be left; shorten the prompt")
    return replace(
        sample,
        token_ids=sample.token_ids[:max_tokens],
        labels=sample.labels[:max_tokens],
        branches=sample.branches[:max_tokens],
        weights=None if sample.weights is None else sample.weights[:max_tokens],
        position_ids=sample.position_ids[..., :max_tokens],
        num_mutual=min(sample.num_mutual, max_tokens),
        num_truncated=excess,
    )


def _named(sample_id: str) -> str:
    return f"sample {sample_id}" if sample_id else "the conversation"
