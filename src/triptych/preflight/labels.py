"""A sequence held against its conversation: slots, text, labels and weights.

    tokens, each as the bytes it writes    aligned with    the text that the template writes
    labels                                 must lie on     its answers and their end tokens

What a token writes is told by `writing`, which answer it belongs to by `aligning`.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

from triptych.errors import TokenError
from triptych.fusion.vlm import VLMConfig
from triptych.inputs import IGNORED, ModelInputs
from triptych.pictures import EncodedImage
from triptych.preflight.aligning import WrittenToken, belonging, difference, lowered, visible
from triptych.preflight.expecting import Answer, ExpectedText, expected_text
from triptych.preflight.findings import Finding, split_sentence
from triptych.preflight.writing import Writing
from triptych.processor import Message, Processor, Sample, image_parts

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


class LabelCheck:
    """Hold samples against their conversations, for one model."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.writing = Writing(processor)

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
                f"{self.writing.shown(sample.token_ids[first])} and its label "
                f"{self.writing.shown(sample.labels[first])}"
            )

    def _conversation(
        self, sample: Sample, messages: Sequence[Message], number: int
    ) -> list[Finding]:
        """What is wrong with one of the conversations of a sample."""
        finding = partial(_finding, sample.sample_id)
        expected = expected_text(
            self.processor.template, messages, partial(self.writing.spelled, sample.images)
        )
        expected = self.writing.with_tile_words(expected, sample.images)
        tokens = list(self.writing.tokens(sample, number + 1))
        problem = difference(tokens, expected.text, is_cut=sample.num_truncated > 0)
        if problem:
            expected = self.writing.as_tokenised(expected)
            tokens = [lowered(token) for token in tokens]
            other = difference(tokens, expected.text, is_cut=sample.num_truncated > 0)
            if other:
                return [finding(TEXT, problem)]
        return [finding(kind, what) for kind, what in self._labels(sample, tokens, expected)]

    def _labels(
        self, sample: Sample, tokens: Sequence[WrittenToken], expected: ExpectedText
    ) -> Iterator[tuple[str, str]]:
        belongs = belonging(tokens, expected)
        pictures = {i for span in sample.spans for i in range(span.start, span.stop)}
        for token, own in zip(tokens, belongs, strict=True):
            if own is None and sample.labels[token.index] != IGNORED:
                kind = ON_PICTURE if token.index in pictures else OUTSIDE
                shown = self.writing.shown(sample.token_ids[token.index])
                yield kind, f"token {token.index}, {shown}, has a label"
        for answer in expected.answers:
            yield from self._missing(sample, tokens, belongs, expected, answer)

    def _missing(
        self,
        sample: Sample,
        tokens: Sequence[WrittenToken],
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
        said = visible(expected.text[: answer.spoken])
        shown = self.writing.shown(sample.token_ids[bare[0].index])
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
