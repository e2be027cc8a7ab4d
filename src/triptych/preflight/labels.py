"""A sequence held against its conversation: slots, text, labels and weights.

    tokens, each as the bytes it writes    aligned with    the text that the template writes
    labels                                 must lie on     its answers and their end tokens

White space is left out of the alignment, because tokenizers take some away and add some. Whether a
token of nothing but white space belongs to an answer is told from the text where both have the
same white space there; elsewhere either is right.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise

from triptych.errors import TokenError
from triptych.fusion.vlm import VLMConfig
from triptych.inputs import IGNORED, PREFIX_BRANCH, ModelInputs
from triptych.pictures import EncodedImage
from triptych.preflight.expecting import SLOT, Answer, ExpectedText, expected_text
from triptych.preflight.findings import Finding, split_sentence
from triptych.processor import Message, Processor, Sample, image_parts
from triptych.text import Part, TileTextConfig, Tokenizer, located
from triptych.text.token_bytes import token_bytes

_WHITE = b" \t\n\r\x0b\x0c"

UNLABELLED, END, PARTLY = "answer not labelled", "end not labelled", "answer partly labelled"
OUTSIDE, ON_PICTURE = "label outside of an answer", "label on a picture"
OTHER_TOKEN, WEIGHT, NOTHING = "label of another token", "weight", "nothing to learn"
TEXT, SLOTS, SHAPE, TEMPLATE = "other text", "slots", "unequal lengths", "template"
PADDING = "label on padding"

_CURES = {
    UNLABELLED: "label every token that the assistant says, its end token included",
    PARTLY: "label every token that the assistant says, its end token included",
    END: "label the end token too, or the model will never learn to stop",
    OUTSIDE: "label nothing but what the assistant says",
    ON_PICTURE: "leave the slots of pictures without labels",
    OTHER_TOKEN: "let a label be the token at its own place; the loss does the shift",
    WEIGHT: "give labelled tokens a finite weight above 0",
    NOTHING: "add what the assistant says, or leave the sample out",
    TEXT: "encode the messages with the model's own processor, and do not edit the tokens",
    SLOTS: "reserve for each picture the slots that the model's configuration promises",
    SHAPE: "give every token one label, one branch and one weight",
    PADDING: "leave padding without labels",
}


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of one conversation, and where what it writes stands without white space."""

    index: int
    """In the sample."""
    written: bytes
    start: int
    stop: int
    is_picture: bool = False


class LabelCheck:
    """Hold samples against their conversations, for one model."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.written = _all_written(processor.tokenizer)

    def findings(self, sample: Sample, conversations: Sequence[Sequence[Message]]) -> list[Finding]:
        """What is wrong with a sample of these conversations, which share its pictures.

        Where the sample holds fewer conversations, the last ones are taken to be left out.
        """
        finding = partial(_finding, sample.sample_id)
        shape = _shape(sample)
        if shape:
            return [finding(SHAPE, shape)]
        found = [finding(SLOTS, what) for what in self._slots(sample, conversations[0])]
        found += [finding(OTHER_TOKEN, what) for what in self._other_tokens(sample)]
        found += [finding(WEIGHT, what) for what in _weights(sample)]
        if all(label == IGNORED for label in sample.labels):
            found.append(finding(NOTHING, "no token has a label"))
        try:
            for number, messages in enumerate(conversations[: _num_conversations(sample)]):
                found += self._conversation(sample, messages, number)
        except TokenError as error:
            found.append(Finding(TEMPLATE, sample.sample_id, *split_sentence(str(error))))
        return list(dict.fromkeys(found))

    # -- slots --------------------------------------------------------------------------------

    def _slots(self, sample: Sample, messages: Sequence[Message]) -> Iterator[str]:
        num_pictures = len(image_parts(messages))
        if not num_pictures == len(sample.spans) == len(sample.images):
            yield (
                f"{num_pictures} pictures in the conversation, {len(sample.images)} encoded, "
                f"{len(sample.spans)} places in the sequence"
            )
            return
        slot_ids = {self.processor.image_id, self.processor.video_id}
        taken: set[int] = set()
        for number, (span, image) in enumerate(zip(sample.spans, sample.images, strict=True)):
            promised = _num_slots(self.processor.model, image)
            here = [place for place in span.positions if place < len(sample.token_ids)]
            right = sum(sample.token_ids[place] in slot_ids for place in here)
            if not promised == span.num_slots == right:
                yield f"picture {number} needs {promised} slots, and has {right}"
            taken.update(here)
        stray = [i for i, id in enumerate(sample.token_ids) if id in slot_ids and i not in taken]
        if stray:
            yield f"{len(stray)} slots belong to no picture, the first at token {stray[0]}"

    # -- labels -------------------------------------------------------------------------------

    def _other_tokens(self, sample: Sample) -> Iterator[str]:
        pairs = enumerate(zip(sample.token_ids, sample.labels, strict=True))
        wrong = [i for i, (id, label) in pairs if label not in (IGNORED, id)]
        if wrong:
            first = wrong[0]
            yield (
                f"{len(wrong)} labels are not the token at their place; token {first} is "
                f"{self._shown(sample.token_ids[first])} and its label "
                f"{self._shown(sample.labels[first])}"
            )

    def _conversation(
        self, sample: Sample, messages: Sequence[Message], number: int
    ) -> list[Finding]:
        """What is wrong with one of the conversations of a sample."""
        finding = partial(_finding, sample.sample_id)
        expected = expected_text(
            self.processor.template, messages, partial(self._spelled, sample.images)
        )
        expected = self._with_tile_words(expected, sample.images)
        tokens = list(self._tokens(sample, number + 1))
        problem = _difference(tokens, expected.text, is_cut=sample.num_truncated > 0)
        if problem:
            expected = self._as_tokenised(expected)
            tokens = [_lowered(token) for token in tokens]
            other = _difference(tokens, expected.text, is_cut=sample.num_truncated > 0)
            if other:
                return [finding(TEXT, problem)]
        return [finding(kind, what) for kind, what in self._labels(sample, tokens, expected)]

    def _labels(
        self, sample: Sample, tokens: Sequence[_Token], expected: ExpectedText
    ) -> Iterator[tuple[str, str]]:
        belongs = _belonging(tokens, expected)
        pictures = {i for span in sample.spans for i in range(span.start, span.stop)}
        for token, own in zip(tokens, belongs, strict=True):
            if own is None and sample.labels[token.index] != IGNORED:
                kind = ON_PICTURE if token.index in pictures else OUTSIDE
                shown = self._shown(sample.token_ids[token.index])
                yield kind, f"token {token.index}, {shown}, has a label"
        for answer in expected.answers:
            yield from self._missing(sample, tokens, belongs, expected, answer)

    def _missing(
        self,
        sample: Sample,
        tokens: Sequence[_Token],
        belongs: Sequence[int | None],
        expected: ExpectedText,
        answer: Answer,
    ) -> Iterator[tuple[str, str]]:
        """What an answer lacks of its labels."""
        rows = zip(tokens, belongs, strict=True)
        own = [token for token, owner in rows if owner == answer.message_index]
        bare = [token for token in own if sample.labels[token.index] == IGNORED]
        if not bare:
            return
        said = _visible(expected.text[: answer.spoken])
        shown = self._shown(sample.token_ids[bare[0].index])
        where = f"message {answer.message_index + 1}"
        if len(bare) == len(own):
            yield UNLABELLED, f"the answer in {where} has no label"
        elif all(token.start >= len(said) for token in bare):
            yield END, f"the end of the answer in {where}, {shown}, has no label"
        else:
            yield (
                PARTLY,
                f"{len(bare)} of {len(own)} tokens of the answer in {where} have no label, the "
                f"first is token {bare[0].index}, {shown}",
            )

    # -- text ---------------------------------------------------------------------------------

    def _tokens(self, sample: Sample, branch: int) -> Iterator[_Token]:
        """The tokens of one conversation, a picture's slots as one `SLOT`."""
        inside = {i: b"" for span in sample.spans for i in range(span.start, span.stop)}
        inside |= {span.start: SLOT.encode() for span in sample.spans}
        start = 0
        for index, (id, own) in enumerate(zip(sample.token_ids, sample.branches, strict=True)):
            if own in (PREFIX_BRANCH, branch):
                known = self.written[id] if 0 <= id < len(self.written) else b"?"
                written = inside.get(index, known)
                stop = start + len(written.translate(None, _WHITE))
                yield _Token(index, written, start, stop, index in inside)
                start = stop

    def _with_tile_words(
        self, expected: ExpectedText, images: Sequence[EncodedImage]
    ) -> ExpectedText:
        """The text with what is written in front of the first tile of a picture and behind the
        last; what stands between tiles belongs to its slots."""
        words = self.processor.config.tile_text
        if words is None or expected.text.count(SLOT) != len(images):
            return expected
        pieces = _pieces(expected.text, set())
        waiting = iter(images)
        grown = [self._with_words(words, next(waiting)) if p == SLOT else p for p in pieces]
        return _moved(expected, pieces, grown)

    def _with_words(self, words: TileTextConfig, image: EncodedImage) -> str:
        if image.tiles is None:
            return SLOT
        around = words.around(image.tiles, self.processor.tokenizer)
        return self._read(around[0]) + SLOT + self._read(around[-1])

    def _as_tokenised(self, expected: ExpectedText) -> ExpectedText:
        """The text as a tokenizer that changes letters leaves it, in small letters."""
        cuts = {each for a in expected.answers for each in (a.start, a.spoken, a.stop)}
        pieces = _pieces(expected.text, cuts)
        return _moved(expected, pieces, [self._changed(piece) for piece in pieces])

    def _changed(self, piece: str) -> str:
        if piece == SLOT:
            return piece
        tokenizer = self.processor.tokenizer
        changed = tokenizer.decode(tokenizer.encode(piece), skip_special=False)
        return changed.encode(errors="replace").lower().decode()

    def _read(self, token_ids: Sequence[int]) -> str:
        return b"".join(self.written[id] for id in token_ids).decode(errors="replace")

    def _shown(self, token_id: int) -> str:
        is_known = 0 <= token_id < len(self.written)
        return repr(self.written[token_id].decode(errors="replace")) if is_known else str(token_id)

    def _spelled(self, images: Sequence[EncodedImage], part: Part) -> str:
        """How a box or a point is written."""
        coordinates = self.processor.config.coordinates
        image: EncodedImage = images[int(part.get("image", 0))]
        width, height = image.original_width, image.original_height
        if coordinates is None or width is None or height is None:
            raise TokenError(f"a {part['type']} cannot be written; describe the place in words")
        seen = image.width, image.height
        if image.tiles is not None:
            seen_height, seen_width = self.processor.config.resize.target_size(height, width)
            seen = seen_width, seen_height
        segments = coordinates.write(located(part), width, height, seen)
        return "".join(segment.text for segment in segments)


def batch_findings(inputs: ModelInputs) -> list[Finding]:
    """What is wrong with the labels of a batch, whatever made it."""
    if inputs.labels is None:
        return [_finding("batch", NOTHING, "the batch has no labels")]
    found: list[Finding] = []
    is_labelled = inputs.labels != IGNORED
    on_padding = int((is_labelled & ~inputs.token_mask).sum())
    if on_padding:
        found.append(_finding("batch", PADDING, f"{on_padding} tokens of padding have labels"))
    other = int((is_labelled & inputs.token_mask & (inputs.labels != inputs.token_ids)).sum())
    if other:
        found.append(_finding("batch", OTHER_TOKEN, f"{other} labels are not their own token"))
    return found


# -- steps ----------------------------------------------------------------------------------------


def _finding(sample_id: str, kind: str, what: str) -> Finding:
    return Finding(kind, sample_id, what, _CURES[kind])


def _all_written(tokenizer: Tokenizer) -> list[bytes]:
    """What every token writes, special ones their names."""
    try:
        written = token_bytes(tokenizer)
    except TokenError:  # whole words, whose tokens write themselves but for the mark of a rest
        written = [b""] * tokenizer.vocab_size
        for token, id in tokenizer.inner.get_vocab().items():
            written[id] = token.removeprefix("##").encode()
    for token, id in tokenizer.special_tokens.items():
        written[id] = token.encode()
    return written


def _shape(sample: Sample) -> str:
    lengths = {
        "tokens": len(sample.token_ids),
        "labels": len(sample.labels),
        "branches": len(sample.branches),
    }
    if sample.weights is not None:
        lengths["weights"] = len(sample.weights)
    unequal = len(set(lengths.values())) > 1
    return ", ".join(f"{count} {name}" for name, count in lengths.items()) if unequal else ""


def _num_conversations(sample: Sample) -> int:
    return max(1, *sample.branches)


def _num_slots(model: VLMConfig, image: EncodedImage) -> int:
    return model.num_slots(image.height, image.width, image.num_slices, image.tiles)


def _weights(sample: Sample) -> Iterator[str]:
    """Labels that do not count, or count without measure."""
    if sample.weights is None:
        return
    rows = zip(sample.labels, sample.weights, strict=True)
    bad = [weight for label, weight in rows if label != IGNORED and not 0 < weight < math.inf]
    if bad:
        yield f"{len(bad)} labelled tokens have a weight like {bad[0]}"


def _visible(text: str) -> bytes:
    return text.encode(errors="replace").translate(None, _WHITE)


def _lowered(token: _Token) -> _Token:
    return replace(token, written=token.written.lower())


def _difference(tokens: Sequence[_Token], text: str, *, is_cut: bool) -> str:
    """Where what the tokens write is not the text; nothing where it is."""
    written = b"".join(token.written for token in tokens).translate(None, _WHITE)
    wanted = _visible(text)
    if written == wanted or (is_cut and wanted.startswith(written)):
        return ""
    if wanted.startswith(written):
        return f"the sequence ends before {_beginning(wanted[len(written) :])}"
    if written.startswith(wanted):
        return f"the sequence goes on with {_beginning(written[len(wanted) :])} behind its end"
    place = next(i for i, (a, b) in enumerate(zip(written, wanted, strict=False)) if a != b)
    return (
        f"the sequence goes on with {_beginning(written[place:])}, the conversation with "
        f"{_beginning(wanted[place:])}"
    )


def _beginning(written: bytes) -> str:
    shown = written[:24].decode(errors="replace").replace(SLOT, "[picture]")
    return repr(shown + ("..." if len(written) > 24 else ""))


def _pieces(text: str, cuts: set[int]) -> list[str]:
    """The text cut there and around every picture."""
    slots = [place for place, character in enumerate(text) if character == SLOT]
    places = {0, len(text), *cuts, *slots, *(place + 1 for place in slots)}
    return [text[start:stop] for start, stop in pairwise(sorted(places))]


def _moved(expected: ExpectedText, pieces: Sequence[str], others: Sequence[str]) -> ExpectedText:
    """The text with its pieces exchanged; inside of a piece nothing moves."""
    old = [0, *accumulate(map(len, pieces))]
    new = [0, *accumulate(map(len, others))]

    def moved(offset: int) -> int:
        number = bisect_right(old, offset) - 1
        return new[number] + offset - old[number]

    answers = tuple(
        replace(each, start=moved(each.start), spoken=moved(each.spoken), stop=moved(each.stop))
        for each in expected.answers
    )
    return ExpectedText("".join(others), answers)


EITHER = -1
"""Belongs to an answer or to what is around it; the text does not tell."""


def _belonging(tokens: Sequence[_Token], expected: ExpectedText) -> list[int | None]:
    """Which answer each token belongs to, by its message; None for none."""
    belongs: list[int | None] = [None] * len(tokens)
    for answer in expected.answers:
        start = len(_visible(expected.text[: answer.start]))
        stop = len(_visible(expected.text[: answer.stop]))
        first, last = (
            _white_space(tokens, expected.text, offset, place)
            for offset, place in ((answer.start, start), (answer.stop, stop))
        )
        for number, token in enumerate(tokens):
            if token.is_picture:
                continue
            if token.start < token.stop:
                if start <= token.start and token.stop <= stop:
                    belongs[number] = answer.message_index
                elif token.start < start < token.stop or token.start < stop < token.stop:
                    belongs[number] = EITHER
            elif start < token.start < stop:
                belongs[number] = answer.message_index if token.written else EITHER
            elif number in first and number in last:
                belongs[number] = EITHER
            elif first.get(number, False) is not False:
                belongs[number] = answer.message_index if first[number] else EITHER
            elif number in last and last[number] is not True:
                belongs[number] = EITHER if last[number] is None else answer.message_index
    return belongs


def _white_space(
    tokens: Sequence[_Token], text: str, offset: int, place: int
) -> dict[int, bool | None]:
    """Tokens of white space at a place of the text, each with whether it stands behind an offset
    there; None where tokens and text have other white space."""
    here = [i for i, token in enumerate(tokens) if token.start == token.stop == place]
    here = [number for number in here if not tokens[number].is_picture]
    if not here:
        return {}
    before = tokens[here[0] - 1].written if here[0] else b""
    behind = tokens[here[-1] + 1].written if here[-1] + 1 < len(tokens) else b""
    position = len(before) - len(before.rstrip(_WHITE))
    has = before[len(before) - position :] + b"".join(tokens[i].written for i in here)
    has += behind[: len(behind) - len(behind.lstrip(_WHITE))]
    left, right = text[:offset].encode(errors="replace"), text[offset:].encode(errors="replace")
    in_front = left[len(left.rstrip(_WHITE)) :]
    if has != in_front + right[: len(right) - len(right.lstrip(_WHITE))]:
        return dict.fromkeys(here)
    found: dict[int, bool | None] = {}
    for number in here:
        found[number] = position >= len(in_front)
        position += len(tokens[number].written)
    return found
