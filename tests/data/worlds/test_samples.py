"""Drawn worlds as training samples."""

from dataclasses import replace

import pytest
import torch

from triptych.architectures import debug_tokenizer, find_architecture
from triptych.data.worlds import WORLDS, draw
from triptych.data.worlds.samples import WorldSamples, as_clip, encode_questions
from triptych.errors import ConfigError, DataError
from triptych.inputs import IGNORED
from triptych.processor import Processor
from triptych.text import QWEN2_VL_SPECIALS


@pytest.fixture(scope="module")
def processor() -> Processor:
    design = find_architecture("qwen2_vl_debug")
    tokenizer = debug_tokenizer(QWEN2_VL_SPECIALS)
    return Processor(replace(design.processor, max_tokens=8192), design.model, tokenizer)


def mixture(processor: Processor, **shares: float) -> WorldSamples:
    return WorldSamples(processor, WORLDS, shares, 40, max_questions=4)


def test_every_second_sample_is_the_twin_of_the_one_before(processor: Processor) -> None:
    source = mixture(processor, scenes=1.0, signs=1.0)
    ids = [str(source.sample_id(index)) for index in range(40)]
    assert all(twin == f"{first}/twin" for first, twin in zip(ids[::2], ids[1::2], strict=True))
    assert len(set(ids)) == 40
    assert {name.partition("/")[0] for name in ids} == {"scenes", "signs"}


def test_the_same_number_and_randomness_give_the_same_sample(processor: Processor) -> None:
    source = mixture(processor, scenes=1.0)

    def ids(seed: int) -> list[int]:
        return source.sample(3, torch.Generator().manual_seed(seed)).token_ids

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_learned_is_what_is_true(processor: Processor, world: str) -> None:
    drawn = draw(f"{world}/train/5")
    sample = encode_questions(processor, drawn, drawn.questions[:3])
    for branch, question in enumerate(drawn.questions[:3], start=1):
        learned = [
            label
            for label, own in zip(sample.labels, sample.branches, strict=True)
            if own == branch and label != IGNORED
        ]
        said = processor.tokenizer.decode(learned, skip_special=False)
        assert said.endswith("<|im_end|>")
        for part in question.answer:
            assert (part if isinstance(part, str) else part.label) in said


def test_a_clip_is_one_visual_thing_and_pictures_are_several(processor: Processor) -> None:
    clip, pair = draw("clips/train/0"), draw("pairs/train/0")
    assert len(encode_questions(processor, clip, clip.questions[:1]).images) == 1
    pictures = len(pair.drawing.pictures)
    assert len(encode_questions(processor, pair, pair.questions[:1]).images) == pictures > 1


def test_stills_are_no_clip() -> None:
    with pytest.raises(DataError, match="no clip"):
        as_clip(draw("scenes/train/0").drawing)


@pytest.mark.parametrize("shares", [{"scenes": 0.0}, {"scenes": -1.0}, {"oceans": 1.0}], ids=str)
def test_a_mixture_that_cannot_be_drawn_is_refused(
    processor: Processor, shares: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match="share"):
        mixture(processor, **shares)


def test_only_the_kinds_that_are_named_are_asked(processor: Processor) -> None:
    source = WorldSamples(
        processor, WORLDS, {"scenes": 1.0}, 4, max_questions=9, kinds=["scenes/caption"]
    )
    sample = source.sample(0, torch.Generator())
    assert max(sample.branches) <= 1


def test_rarer_kinds_are_asked_less_often_and_no_picture_is_left_without_a_question(
    processor: Processor,
) -> None:
    def asked(rarer: dict[str, float]) -> list[int]:
        source = WorldSamples(processor, WORLDS, {"scenes": 1.0}, 12, max_questions=20, rarer=rarer)
        return [
            max(source.sample(index, torch.Generator().manual_seed(index)).branches)
            for index in range(12)
        ]

    everything = asked({})
    questions = [each for n in range(12) for each in draw(f"scenes/train/{n}").questions]
    kinds = {question.kind for question in questions}
    half = asked(dict.fromkeys(kinds, 0.5))
    assert 0.3 * sum(everything) < sum(half) < 0.7 * sum(everything)
    # A single question is no branch; a picture whose questions all fell out asks all of them.
    assert asked(dict.fromkeys(kinds, 0.0)) == everything
