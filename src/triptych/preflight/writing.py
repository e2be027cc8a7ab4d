"""What a model's tokens write, and what becomes of a text on its way to them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from triptych.errors import TokenError
from triptych.inputs import PREFIX_BRANCH
from triptych.pictures import EncodedImage
from triptych.preflight.aligning import WHITE, WrittenToken
from triptych.preflight.expecting import SLOT, ExpectedText
from triptych.processor import Processor, Sample
from triptych.text import Part, TileTextConfig, Tokenizer, located
from triptych.text.token_bytes import token_bytes


class Writing:
    """Tokens and texts of one processor."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.written = _all_written(processor.tokenizer)
        """What each token writes, special ones their names."""

    def tokens(self, sample: Sample, branch: int) -> Iterator[WrittenToken]:
        """The tokens of one conversation, a picture's slots as one `SLOT`."""
        inside = {i: b"" for span in sample.spans for i in range(span.start, span.stop)}
        inside |= {span.start: SLOT.encode() for span in sample.spans}
        start = 0
        for index, (id, own) in enumerate(zip(sample.token_ids, sample.branches, strict=True)):
            if own in (PREFIX_BRANCH, branch):
                known = self.written[id] if 0 <= id < len(self.written) else b"?"
                written = inside.get(index, known)
                stop = start + len(written.translate(None, WHITE))
                yield WrittenToken(index, written, start, stop, index in inside)
                start = stop

    def with_tile_words(
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

    def as_tokenised(self, expected: ExpectedText) -> ExpectedText:
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

    def shown(self, token_id: int) -> str:
        """A token as a person reads it."""
        is_known = 0 <= token_id < len(self.written)
        return repr(self.written[token_id].decode(errors="replace")) if is_known else str(token_id)

    def spelled(self, images: Sequence[EncodedImage], part: Part) -> str:
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
