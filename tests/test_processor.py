"""Messages to inputs: how many tokens, which labels, whose positions."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import DEBUG_NAMES, answered, picture, subject, tokenizer_for

from triptych.architectures import debug_tokenizer, find_architecture
from triptych.errors import ConfigError, TokenError
from triptych.inputs import IGNORED
from triptych.processor import Processor, ask_about
from triptych.text import ChatTemplate


def published(name: str) -> Processor:
    """The processor of a published architecture; its vocabulary does not matter here."""
    design = find_architecture(name)
    return Processor(design.processor, design.model, tokenizer_for(design.processor.template))


def limited(name: str, max_tokens: int) -> Processor:
    debug = subject(name)
    config = replace(debug.architecture.processor, max_tokens=max_tokens)
    return Processor(config, debug.architecture.model, debug.processor.tokenizer)


def with_template(source: str) -> Processor:
    """Qwen2-VL's debug processor with another template."""
    debug = subject("qwen2_vl_debug")
    template = ChatTemplate(source=source, end_tokens=("<|im_end|>",), image_token="<|image_pad|>")
    config = replace(debug.architecture.processor, template=template)
    return Processor(config, debug.architecture.model, debug.processor.tokenizer)


# -- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "height", "width", "num_slots"),
    [
        ("llava_7b", 480, 640, 256),
        ("llava_1_5_7b", 480, 640, 576),
        ("minivlm", 480, 640, 197),
        ("blip2_opt_2_7b", 480, 640, 32),
        ("flamingo_9b", 480, 640, 1),
        ("qwen2_vl_7b", 1000, 700, 900),
        ("qwen2_vl_7b", 700, 1000, 900),
        ("qwen2_vl_7b", 20, 30, 6),
        ("qwen2_vl_7b", 28, 28, 4),
    ],
)
def test_a_picture_reserves_the_published_number_of_tokens(name, height, width, num_slots):
    processor = published(name)
    sample = processor.encode(ask_about([picture(0, height, width)]), add_generation_prompt=True)
    assert sample.token_ids.count(processor.image_id) == num_slots
    [span] = sample.spans
    assert span.num_slots == num_slots
    stood = sample.token_ids[span.start : span.start + num_slots]
    assert stood == [processor.image_id] * num_slots


def test_a_picture_beyond_the_pixel_budget_is_counted_smaller():
    model, resize = find_architecture("qwen2_vl_7b").model, published("qwen2_vl_7b").config.resize
    size = replace(resize, max_pixels=1280 * 28 * 28).target_size(2000, 3000)
    assert size == (812, 1204)
    assert model.num_slots(*size) == 1247
    assert model.token_grid(*size)[:2] == (29, 43)


def test_pixels_are_scaled_as_the_vision_panel_was_trained():
    debug = subject("llava_1_5_debug")
    grey = picture(0, 32, 32) * 0 + 255
    pixels = debug.processor.encode_image(grey).pixels
    config = debug.architecture.model.vision
    expected = (1 - torch.tensor(config.pixel_mean)) / torch.tensor(config.pixel_std)
    torch.testing.assert_close(pixels, expected[:, None, None].expand_as(pixels))


def test_pictures_of_one_conversation_stand_in_order():
    debug = subject("qwen2_vl_debug")
    sample = debug.prompt(ask_about([picture(0, 32, 48), picture(1, 64, 32)], "compare"))
    first, second = sample.spans
    assert [first.token_grid[:2], second.token_grid[:2]] == [(2, 3), (4, 2)]
    assert [first.num_slots, second.num_slots] == [6, 8]
    assert first.start + first.num_slots < second.start
    assert [tuple(image.pixels.shape) for image in sample.images] == [(3, 32, 48), (3, 64, 32)]


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_text_alone_needs_no_picture(name):
    debug = subject(name)
    sample = debug.prompt(ask_about([], "what is a cross?"))
    assert (sample.images, sample.spans) == ((), ())
    assert debug.processor.image_id not in sample.token_ids
    assert "what is a cross?" in debug.processor.tokenizer.decode(sample.token_ids)


# -- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blip2_debug", " a red circle</s> yes</s>"),
        ("flamingo_debug", "a red circle<EOC>yes<EOC>"),
        ("llava_1_5_debug", " a red circle</s> yes</s>"),
        ("llava_debug", " a red circle</s> yes</s>"),
        ("minivlm_debug", "a red circle<end>yes<end>"),
        ("qwen2_vl_debug", "a red circle<|im_end|>yes<|im_end|>"),
    ],
)
def test_labels_are_the_answers_and_their_end_tokens(name, expected):
    debug = subject(name)
    first = answered(ask_about([picture(0)], "what is it?"), "a red circle")
    sample = debug.processor.encode(answered([*first, *ask_about([], "sure?")], "yes"))
    labelled = [label for label in sample.labels if label != IGNORED]
    assert debug.processor.tokenizer.decode(labelled, skip_special=False) == expected
    pairs = zip(sample.labels, sample.token_ids, strict=True)
    assert all(label in (IGNORED, token) for label, token in pairs)


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_a_prompt_is_what_an_answered_conversation_begins_with(name):
    debug = subject(name)
    question = ask_about([picture(0)], "what is it?")
    prompt = debug.prompt(question).token_ids
    whole = debug.processor.encode(answered(question, "a red circle"))
    assert whole.token_ids[: len(prompt)] == prompt
    assert all(label == IGNORED for label in whole.labels[: len(prompt)])
    assert whole.labels[len(prompt)] != IGNORED


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_text_that_spells_special_tokens_stays_text(name):
    debug = subject(name)
    template = debug.architecture.processor.template
    spelt = f"{template.image_token} {template.end_tokens[0]} {template.image_token}"
    plain = debug.processor.encode(answered(ask_about([picture(0)], "hi"), "yes"))
    sample = debug.processor.encode(answered(ask_about([picture(0)], spelt), spelt))
    for special in (debug.processor.image_id, *debug.processor.end_ids):
        assert sample.token_ids.count(special) == plain.token_ids.count(special)
    assert debug.processor.tokenizer.decode(sample.token_ids).count(spelt) == 2


# -- length --------------------------------------------------------------------------------------


def test_an_answer_that_is_too_long_loses_its_end():
    whole = subject("llava_1_5_debug").processor.encode(TALK)
    keep = len(whole.token_ids) - 3
    sample = limited("llava_1_5_debug", keep).encode(TALK)
    assert sample.num_truncated == 3
    assert sample.token_ids == whole.token_ids[:keep]
    assert sample.labels == whole.labels[:keep]
    assert torch.equal(sample.position_ids, whole.position_ids[:keep])


TALK = answered(ask_about([picture(0)], "what is it?"), "a red circle to the left")


def test_a_sequence_that_just_fits_is_whole():
    length = len(subject("llava_1_5_debug").processor.encode(TALK).token_ids)
    assert limited("llava_1_5_debug", length).encode(TALK).num_truncated == 0


def test_a_picture_is_never_cut():
    messages = answered(ask_about([], "hi"), "yes") + answered(ask_about([picture(0)]), "no")
    whole = subject("llava_1_5_debug").processor.encode(messages)
    cut = whole.spans[0].start + 5
    excess = len(whole.token_ids) - cut
    message = (
        rf"sample 17 takes {len(whole.token_ids)} tokens, {excess} more than {cut}, "
        "and a picture would be cut; use a smaller picture or fewer turns"
    )
    with pytest.raises(TokenError, match=message):
        limited("llava_1_5_debug", cut).encode(messages, sample_id="17")


def test_a_sequence_without_any_label_left_is_refused():
    prompt = subject("llava_1_5_debug").prompt(TALK[:1])
    with pytest.raises(TokenError, match="no answer would be left; shorten the prompt"):
        limited("llava_1_5_debug", len(prompt.token_ids)).encode(TALK)


# -- positions -----------------------------------------------------------------------------------


def test_positions_of_a_picture_are_the_papers_worked_example():
    # [2 text, vision start, 2 x 3 picture, vision end, 2 text]
    processor = with_template("??<|vision_start|><|image_pad|><|vision_end|>!!")
    processor.tokenizer.encode("??")
    sample = processor.encode(ask_about([picture(0, 32, 48)]))
    texts = [len(processor.tokenizer.encode(text)) for text in ("??", "!!")]
    assert texts == [2, 2], "the debug tokenizer has learned these words; choose others"
    assert sample.position_ids.tolist() == [
        [0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7, 8],
        [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7, 8],
        [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8],
    ]


def test_positions_of_other_models_count_up_over_pictures_too():
    sample = subject("llava_1_5_debug").prompt(ask_about([picture(0)], "hi"))
    assert sample.position_ids.tolist() == list(range(len(sample.token_ids)))


@pytest.mark.parametrize("name", ["llava_1_5_debug", "qwen2_vl_debug"])
def test_every_answer_to_a_shared_prompt_begins_behind_the_prompt(name):
    debug = subject(name)
    question = ask_about([picture(0)], "what is it?")
    prompt = debug.prompt(question)
    shared = debug.processor.encode_answers(question, ["a circle", "yes", "a red circle"])
    first = int(prompt.position_ids.max()) + 1
    assert shared.branches[: len(prompt.token_ids)] == [0] * len(prompt.token_ids)
    branches = torch.tensor(shared.branches)
    for branch in (1, 2, 3):
        own = shared.position_ids[..., branches == branch]
        expected = torch.arange(first, first + own.shape[-1]).expand_as(own)
        assert torch.equal(own, expected)


def test_a_template_that_changes_the_prompt_cannot_share_it():
    processor = with_template(
        "{%- for message in messages -%}{{ message.content }}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ 'Answer:' }}{%- endif -%}"
    )
    question = [{"role": "user", "content": "hi"}]
    with pytest.raises(TokenError, match="answers cannot share one prompt"):
        processor.encode_answers(question, ["yes", "no"])


# -- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", ["left", "right"])
@pytest.mark.parametrize("name", ["llava_1_5_debug", "qwen2_vl_debug"])
def test_shorter_samples_are_padded_on_the_side_asked_for(name, pad):
    debug = subject(name)
    long = debug.processor.encode(answered(ask_about([picture(0)], "what is it?"), "a circle"))
    short = debug.processor.encode(answered(ask_about([picture(1)], "hi"), "no"))
    inputs = debug.processor.collate([long, short], pad=pad)
    length = len(long.token_ids)
    missing = length - len(short.token_ids)
    assert missing > 0
    real = slice(missing, length) if pad == "left" else slice(0, length - missing)

    assert inputs.token_ids.shape == inputs.labels.shape == (2, length)
    assert inputs.token_mask.all(dim=1).tolist() == [True, False]
    assert inputs.token_mask[1].sum() == len(short.token_ids)
    assert inputs.token_ids[1, real].tolist() == short.token_ids
    assert inputs.labels[1, real].tolist() == short.labels
    assert torch.equal(inputs.position_ids[..., 1, real], short.position_ids)
    assert (inputs.token_ids[1][~inputs.token_mask[1]] == debug.processor.pad_id).all()
    assert (inputs.labels[1][~inputs.token_mask[1]] == IGNORED).all()
    for span in inputs.spans:
        stood = inputs.token_ids[span.batch_index, span.start : span.start + span.num_slots]
        assert (stood == debug.processor.image_id).all()
    assert [span.batch_index for span in inputs.spans] == [0, 1]


def test_branches_are_given_only_where_a_sample_has_some():
    debug = subject("llava_1_5_debug")
    question = ask_about([], "hi")
    plain = debug.processor.encode(answered(question, "yes"))
    shared = debug.processor.encode_answers(question, ["yes", "a red circle"])
    assert debug.processor.collate([plain]).branches is None
    branches = debug.processor.collate([plain, shared]).branches
    assert branches is not None
    assert branches[0].tolist() == [0] * len(plain.token_ids) + [-1] * (
        len(shared.token_ids) - len(plain.token_ids)
    )


def test_pixels_and_features_do_not_mix_in_a_batch():
    debug = subject("llava_1_5_debug")
    sample = debug.prompt(ask_about([picture(0)]))
    features = replace(sample.images[0], pixels=torch.zeros(4, 4, 32), is_features=True)
    with pytest.raises(TokenError, match="pixels and as vision features; encode all"):
        debug.processor.collate([sample, replace(sample, images=(features,))])


def test_a_tokenizer_larger_than_the_model_is_refused():
    design = find_architecture("llava_debug")
    small = replace(design.model, language=replace(design.model.language, vocab_size=300))
    tokenizer = debug_tokenizer(("<s>", "</s>", "<image>"))
    with pytest.raises(ConfigError, match=rf"{tokenizer.vocab_size} tokens .* knows 300"):
        Processor(design.processor, small, tokenizer)


def test_a_tokenizer_without_the_templates_tokens_is_refused():
    design = find_architecture("llava_debug")
    with pytest.raises(TokenError, match="special token '<image>'"):
        Processor(design.processor, design.model, debug_tokenizer(("</s>",)))
