"""Conversations that begin alike: what stands once, what each adds, and what cannot be shared."""

import numpy as np
import pytest
import torch
from tests.laws.debug_models import answered, picture, subject

from triptych.errors import TokenError
from triptych.inputs import IGNORED
from triptych.processor import ask_about
from triptych.sequences import Sample, share_beginning, weighed_by_length
from triptych.text import ImagePiece, TextPiece

CAT = picture(0)


def text(*token_ids: int) -> TextPiece:
    return TextPiece(list(token_ids), is_answer=False)


def answer(*token_ids: int) -> TextPiece:
    return TextPiece(list(token_ids), is_answer=True)


@pytest.mark.parametrize(
    ("conversations", "shared", "own"),
    [
        pytest.param(
            [[text(1), ImagePiece(0), text(2, 3)], [text(1), ImagePiece(0), text(2, 4, 5)]],
            [text(1), ImagePiece(0), text(2)],
            [[text(3)], [text(4, 5)]],
            id="texts part inside a piece",
        ),
        pytest.param(
            [[ImagePiece(0), text(2), answer(7)], [ImagePiece(0), text(2), answer(7, 8)]],
            [ImagePiece(0), text(2)],
            [[answer(7)], [answer(7, 8)]],
            id="equal answers are not shared",
        ),
        pytest.param(
            [[ImagePiece(0), text(2, 3), answer(7)], [ImagePiece(0), text(2), answer(3)]],
            [ImagePiece(0), text(2)],
            [[text(3), answer(7)], [answer(3)]],
            id="a text that another goes on with",
        ),
        pytest.param(
            [[ImagePiece(0), answer(7)], [ImagePiece(0), text(7), answer(8)]],
            [ImagePiece(0)],
            [[answer(7)], [text(7), answer(8)]],
            id="a learned token is not the same token unlearned",
        ),
        pytest.param(
            [[ImagePiece(0), text(7), answer(8)], [ImagePiece(0), answer(7)]],
            [ImagePiece(0)],
            [[text(7), answer(8)], [answer(7)]],
            id="nor the other way round",
        ),
        pytest.param(
            [[text(1), text(5)], [text(2), text(5)]],
            [],
            [[text(1), text(5)], [text(2), text(5)]],
            id="nothing in common",
        ),
        pytest.param(
            [[ImagePiece(0), text(1)], [ImagePiece(0), text(1)]],
            [ImagePiece(0), text(1)],
            [[], []],
            id="nothing of their own",
        ),
        pytest.param(
            [[ImagePiece(0), text(1, 2), answer(3), text(4)]],
            [ImagePiece(0), text(1, 2)],
            [[answer(3), text(4)]],
            id="one conversation",
        ),
    ],
)
def test_the_longest_equal_beginning_stands_once(conversations, shared, own):
    assert share_beginning(conversations) == [shared, *own]


def test_every_branch_reads_as_its_conversation_alone():
    processor = subject("qwen2_vl_debug").processor
    asked = ask_about([CAT], "what is it?")
    conversations = [
        answered(asked, "a circle"),
        answered(ask_about([CAT], "what is blue?"), "a square"),
        answered([*answered(asked, "a circle"), *ask_about([], "sure?")], "yes"),
    ]
    row = processor.encode_conversations(conversations, sample_id="7")
    assert sum(span.num_slots for span in row.spans) == row.token_ids.count(processor.image_id)
    assert len(row.images) == len(row.spans) == 1
    for branch, messages in enumerate(conversations, start=1):
        alone = processor.encode(messages)
        seen = [i for i, b in enumerate(row.branches) if b in (0, branch)]
        assert [row.token_ids[i] for i in seen] == alone.token_ids
        assert [row.labels[i] for i in seen] == alone.labels
        assert row.position_ids[..., seen].tolist() == alone.position_ids.tolist()
    first_question = processor.tokenizer.decode(row.token_ids[: row.branches.index(1)])
    assert first_question.endswith("what is")


def test_what_is_learned_is_learned_in_every_branch():
    processor = subject("qwen2_vl_debug").processor
    once = answered(ask_about([CAT], "what is it?"), "a circle")
    alone = processor.encode(once)
    row = processor.encode_conversations([once, once])
    num_labels = [sum(label != IGNORED for label in sample.labels) for sample in (row, alone)]
    assert num_labels[0] == 2 * num_labels[1]


def test_pictures_behind_the_difference_are_refused():
    processor = subject("llava_1_5_debug").processor
    late = [
        answered([*answered(ask_about([CAT], "hi"), "hello"), *ask_about([CAT], text)], "yes")
        for text in ("one", "two")
    ]
    message = (
        "has 2 pictures, of which only 1 come before the conversations differ or answer; begin "
        "each with all of the same pictures"
    )
    with pytest.raises(TokenError, match=message):
        processor.encode_conversations(late)


def test_conversations_about_different_pictures_are_refused():
    processor = subject("llava_1_5_debug").processor
    for other in ([picture(0)], [CAT, CAT], [], ["cat.png"]):
        with pytest.raises(TokenError, match="about different pictures, or about copies"):
            processor.encode_conversations([ask_about([CAT], "a"), ask_about(other, "b")])


def test_pictures_are_the_same_by_path_and_opened_once(tmp_path):
    from PIL import Image

    path = tmp_path / "cat.png"
    Image.fromarray(np.asarray(CAT)).save(path)
    processor = subject("llava_1_5_debug").processor
    talks = [answered(ask_about([source], "a"), "b") for source in (str(path), str(path))]
    assert len(processor.encode_conversations(talks).images) == 1


def test_given_pictures_replace_those_of_every_conversation():
    processor = subject("llava_1_5_debug").processor
    encoded = [processor.encode_image(CAT)]
    talks = [answered(ask_about(["not there"], text), "b") for text in ("one", "two")]
    row = processor.encode_conversations(talks, images=encoded)
    assert row.images[0] is encoded[0]
    with pytest.raises(TokenError, match="sample 7 has 1 pictures but 2 were given encoded"):
        processor.encode_conversations(talks, images=encoded * 2, sample_id="7")


def test_no_conversation_and_an_answer_to_nothing_are_refused():
    processor = subject("minivlm_debug").processor
    with pytest.raises(TokenError, match="no conversation to encode; give at least one"):
        processor.encode_conversations([])
    with pytest.raises(TokenError, match="an answer has nothing in front of it"):
        processor.encode_conversations([[{"role": "assistant", "content": "a circle"}]])


def test_an_answer_four_times_as_long_counts_twice_as_much():
    sample = Sample(
        sample_id="",
        token_ids=list(range(22)),
        labels=[IGNORED, IGNORED, *range(2, 6), *range(6, 22)],
        branches=[0, 0, *[1] * 4, *[2] * 16],
        position_ids=torch.arange(22),
        images=(),
        spans=(),
    )
    weights = weighed_by_length(sample).weights
    assert weights is not None
    assert sum(weights[2:6]) == 4.0
    assert sum(weights[6:]) == 8.0
