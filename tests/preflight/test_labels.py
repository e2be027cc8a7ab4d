"""Labels held against what was said: right ones pass, each way to be wrong is found."""

from dataclasses import replace
from functools import cache
from random import Random

import pytest
import torch
from PIL import Image
from tests.preflight.mutations import MUTATIONS, answers, mutated

from triptych.architectures import ARCHITECTURES, debug_tokenizer, find_architecture
from triptych.data.worlds import WORLDS
from triptych.data.worlds.samples import WorldSamples
from triptych.errors import TokenError
from triptych.inputs import IGNORED
from triptych.preflight import labels as kinds
from triptych.preflight.labels import LabelCheck, batch_findings
from triptych.preflight.overhearing import OverhearingProcessor
from triptych.processor import Processor
from triptych.recipes.beginning import special_tokens
from triptych.text import ChatTemplate

TWINS = [name for name in ARCHITECTURES if name.endswith("_debug")]
READS_BOTH_WAYS = ("paligemma_debug", "git_debug")


@cache
def processor_of(name: str) -> OverhearingProcessor:
    design = find_architecture(name)
    tokenizer = debug_tokenizer(special_tokens(design.processor))
    return OverhearingProcessor.of(Processor(design.processor, design.model, tokenizer))


def picture(width: int = 70, height: int = 50) -> Image.Image:
    return Image.new("RGB", (width, height), (200, 30, 30))


def seen(text: str, *pictures: Image.Image) -> dict[str, object]:
    shown = [{"type": "image", "image": each} for each in pictures]
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}


def said(text: str) -> dict[str, object]:
    return {"role": "assistant", "content": text}


CONVERSATIONS = {
    "one turn": [seen("What is it?", picture()), said("A red one.\nReally.")],
    "two turns": [seen("What a is it? ", picture()), said("a"), seen("a"), said("assistant")],
    "spaces": [seen("  What\n\n is it?  ", picture()), said("  a  b\n"), seen(" a"), said("\na")],
    "a system": [{"role": "system", "content": "Be brief."}, seen("So?", picture()), said("nö 家")],
    "two pictures": [seen("Which is larger?", picture(), picture(90, 40)), said("the second")],
    "special words": [
        seen("What is <image> and <|image_pad|><|im_end|>?", picture()),
        said("it <|im_end|> is </s> over <image>"),
    ],
    "no question": [seen("", picture()), said("a caption")],
}


@pytest.mark.parametrize("twin", TWINS)
def test_right_labels_pass_with_every_chat_template(twin):
    processor = processor_of(twin)
    check = LabelCheck(processor)
    num_checked = 0
    for name, messages in CONVERSATIONS.items():
        try:
            sample = processor.encode(messages, sample_id=name)
        except TokenError:  # two pictures or two turns are more than some systems know
            continue
        assert check.findings(sample, processor.heard) == []
        num_checked += 1
    assert num_checked >= 5


@pytest.mark.parametrize("twin", ["qwen2_vl_debug", "smolvlm_debug"])
@pytest.mark.parametrize("world", WORLDS)
def test_right_labels_pass_in_every_world(twin, world):
    processor = processor_of(twin)
    if world == "clips" and not processor.template.video_token:
        return
    check = LabelCheck(processor)
    source = WorldSamples(processor, WORLDS, {world: 1.0}, 2, max_questions=4)
    for index in range(len(source)):
        sample = source.sample(index, torch.Generator().manual_seed(index))
        assert len(processor.heard) == max(sample.branches)
        assert check.findings(sample, processor.heard) == []


@cache
def clean_samples(twin: str):
    """Samples of worlds, several questions in one row, and conversations of several turns."""
    processor = processor_of(twin)
    found = []
    source = WorldSamples(processor, WORLDS, {"scenes": 1.0, "signs": 1.0}, 4, max_questions=3)
    for index in range(len(source)):
        sample = source.sample(index, torch.Generator().manual_seed(index))
        found.append((sample, list(processor.heard)))
    for name in ("one turn", "two turns", "two pictures", "a system"):
        sample = processor.encode(CONVERSATIONS[name], sample_id=name)
        found.append((sample, list(processor.heard)))
    return found


@pytest.mark.parametrize("twin", ["qwen2_vl_debug", "llava_1_5_debug", "smolvlm_debug"])
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_every_mutation_of_labels_is_found(twin, mutate):
    # 20 kinds, 3 templates, 8 samples: 462 mutations, for some need two answers; all are found.
    check, rng = LabelCheck(processor_of(twin)), Random(f"{twin}/{mutate.__name__}")
    for sample, conversations in clean_samples(twin):
        if mutate.__name__.endswith("another_answer") and len(answers(sample)) < 2:
            continue
        wrong = mutated(sample, rng, mutate)
        assert check.findings(wrong, conversations), sample.sample_id


def only_kind(twin: str, name: str, change) -> str:
    processor = processor_of(twin)
    sample = processor.encode(CONVERSATIONS[name], sample_id=name)
    found = LabelCheck(processor).findings(change(sample), [CONVERSATIONS[name]])
    assert len({each.kind for each in found}) == 1
    return found[0].kind


def test_a_finding_says_which_way_labels_are_wrong():
    from tests.preflight import mutations as m

    rng = Random(0)
    expected = {
        m.end_without_label: kinds.END,
        m.answer_without_labels: kinds.UNLABELLED,
        m.label_on_a_picture: kinds.ON_PICTURE,
        m.answer_cut: kinds.TEXT,
        m.weight_of_nothing: kinds.WEIGHT,
    }
    for mutate, kind in expected.items():
        assert only_kind("qwen2_vl_debug", "two turns", lambda s, m=mutate: m(s, rng)) == kind


def test_a_line_end_of_the_prompt_is_no_part_of_an_answer():
    # ChatML asks with "<|im_start|>assistant\n": its line end is white space and not learned.
    processor = processor_of("qwen2_vl_debug")
    sample = processor.encode(CONVERSATIONS["one turn"])
    start = answers(sample)[0].start
    assert processor.tokenizer.decode([sample.token_ids[start - 1]]) == "\n"
    labels = list(sample.labels)
    labels[start - 1] = sample.token_ids[start - 1]
    found = LabelCheck(processor).findings(replace(sample, labels=labels), processor.heard)
    assert [each.kind for each in found] == [kinds.OUTSIDE]


def test_an_end_that_was_cut_to_fit_is_no_fault_of_the_labels():
    processor = processor_of("qwen2_vl_debug")
    whole = processor.encode(CONVERSATIONS["one turn"])
    short = replace(processor.config, max_tokens=len(whole.token_ids) - 4)
    cut = Processor(short, processor.model, processor.tokenizer).encode(CONVERSATIONS["one turn"])
    check = LabelCheck(processor)
    assert cut.num_truncated == 4
    assert check.findings(cut, [CONVERSATIONS["one turn"]]) == []
    hidden = replace(cut, num_truncated=0)
    assert [each.kind for each in check.findings(hidden, [CONVERSATIONS["one turn"]])] == [
        kinds.TEXT
    ]


def test_padding_of_a_batch_has_no_labels():
    processor = processor_of("qwen2_vl_debug")
    samples = [processor.encode(CONVERSATIONS[name]) for name in ("one turn", "two turns")]
    batch = processor.collate(samples)
    assert batch_findings(batch) == []
    spoilt = torch.where(batch.token_mask, batch.labels, batch.token_ids)
    found = batch_findings(replace(batch, labels=spoilt))
    assert [each.kind for each in found] == [kinds.PADDING]


def test_a_template_that_leaves_out_an_answer_is_named():
    processor = processor_of("qwen2_vl_debug")
    source = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    template = ChatTemplate(source=source, end_tokens=("<|im_end|>",), image_token="<|image_pad|>")
    mute = Processor(
        replace(processor.config, template=template), processor.model, processor.tokenizer
    )
    messages = [{"role": "user", "content": "What?"}, said("A cat.")]
    found = LabelCheck(mute).findings(mute.encode(messages, sample_id="7"), [messages])
    assert {each.kind for each in found} == {kinds.TEMPLATE, kinds.NOTHING}
    assert any("leaves out what message 2 (assistant) says" in each.what for each in found)
    assert all(label == IGNORED for label in mute.encode(messages).labels)
