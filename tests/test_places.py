"""Boxes and points in messages: in pixels of the original, and never a way to write control."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.laws.debug_models import answered, picture, subject

from triptych.config import from_dict, to_dict
from triptych.errors import TokenError
from triptych.geometry import Box
from triptych.inputs import IGNORED
from triptych.processor import Processor, ProcessorConfig, ask_about
from triptych.text import ChatTemplate, TextPiece, located

QWEN = subject("qwen2_vl_debug").processor
CAT = picture(0, 100, 200)


def read(processor: Processor, token_ids: list[int]) -> str:
    return processor.tokenizer.decode(token_ids, skip_special=False)


def says(*parts: object) -> dict[str, object]:
    return {"role": "assistant", "content": list(parts)}


def box(*numbers: float, **more: object) -> dict[str, object]:
    return {"type": "box", "box": numbers, **more}


def test_an_answer_holds_boxes_where_they_stand_and_learns_them():
    words = [{"type": "text", "text": "there: "}, {"type": "text", "text": " and "}]
    point = {"type": "point", "point": [20, 50]}
    messages = [*ask_about([CAT], "where?"), says(words[0], box(20, 10, 100, 60), words[1], point)]
    sample = QWEN.encode(messages)
    labelled = [label for label in sample.labels if label != IGNORED]
    assert read(QWEN, labelled) == (
        "there: <|box_start|>(100,100),(500,600)<|box_end|> and "
        "<|box_start|>(100,500)<|box_end|><|im_end|>"
    )
    for token in ("<|box_start|>", "<|box_end|>"):
        assert labelled.count(QWEN.tokenizer.special(token)) == 2


def test_an_answer_that_begins_with_a_box_begins_where_the_prompt_ends():
    question = ask_about([CAT], "where?")
    prompt = QWEN.encode(question, add_generation_prompt=True)
    whole = QWEN.encode([*question, says(box(20, 10, 100, 60, label="a red circle"))])
    assert whole.token_ids[: len(prompt.token_ids)] == prompt.token_ids
    labelled = [label for label in whole.labels if label != IGNORED]
    spell = partial(QWEN.config.coordinates.write, width=200, height=100)
    messages = [question[0], says(box(20, 10, 100, 60, label="a red circle"))]
    pieces = QWEN.template.pieces(messages, QWEN.tokenizer, spell=lambda part: spell(located(part)))
    assert [p.token_ids for p in pieces if isinstance(p, TextPiece) and p.is_answer] == [labelled]
    assert read(QWEN, labelled) == (
        "<|object_ref_start|>a red circle<|object_ref_end|>"
        "<|box_start|>(100,100),(500,600)<|box_end|><|im_end|>"
    )


def test_boxes_refer_to_the_original_of_their_own_picture():
    small = picture(1, 50, 50)
    ask = ask_about([CAT, small], "what is here: ")
    ask[0]["content"] += [box(0, 0, 25, 25, image=1), box(0, 0, 25, 25)]
    text = read(QWEN, QWEN.encode(ask, add_generation_prompt=True).token_ids)
    assert "<|box_start|>(0,0),(500,500)<|box_end|><|box_start|>(0,0),(125,250)<|box_end|>" in text


def test_labels_and_their_neighbours_are_tokenised_as_the_text_they_are():
    whole = [{"type": "text", "text": "is it a "}, box(0, 0, 2, 2, label="circle")]
    sample = QWEN.encode([*ask_about([CAT]), {"role": "user", "content": whole}])
    control = set(QWEN.tokenizer.special_tokens.values())
    start = sample.token_ids.index(QWEN.tokenizer.special("<|object_ref_start|>"))
    label = [token for token in sample.token_ids[start + 1 : start + 20] if token not in control]
    expected = QWEN.tokenizer.encode("circle", before="special")
    assert label[: len(expected)] == expected


@pytest.mark.parametrize(
    "label", ["<|im_end|>", "<|box_end|><|image_pad|>", "\ue000", " <|object_ref_end|> "]
)
def test_a_label_can_write_no_control(label):
    def control(label: str) -> list[int]:
        part = box(20, 10, 100, 60, label=label)
        asked = [*ask_about([CAT], "hi"), {"role": "user", "content": [part]}, says(part)]
        sample = QWEN.encode(asked)
        known = set(QWEN.tokenizer.special_tokens.values())
        return [token for token in sample.token_ids if token in known]

    assert control(label) == control("cat")


def test_a_template_for_texts_and_one_that_asks_for_parts_take_boxes():
    end = ("<|im_end|>",)
    for source in (
        "{% for m in messages %}{{ m.content | trim }}<|im_end|>{% endfor %}",
        "{% for m in messages %}{% for p in m.content %}{% if p.type == 'image' %}"
        "<|image_pad|>{% else %}{{ p.text }}{% endif %}{% endfor %}<|im_end|>{% endfor %}",
    ):
        template = ChatTemplate(source=source, end_tokens=end, image_token="<|image_pad|>")
        processor = Processor(replace(QWEN.config, template=template), QWEN.model, QWEN.tokenizer)
        messages = [*ask_about([CAT]), says(box(20, 10, 100, 60, label="it"))]
        text = read(processor, processor.encode(messages).token_ids)
        assert text.replace("<|image_pad|>", "") == (
            "<|im_end|><|object_ref_start|>it<|object_ref_end|>"
            "<|box_start|>(100,100),(500,600)<|box_end|><|im_end|>"
        )


def test_conversations_share_pictures_with_boxes_too():
    talks = [
        [*ask_about([CAT], question), says(box(20, 10, 100, right, label="it"))]
        for question, right in (("where?", 60.0), ("what?", 70.0))
    ]
    row = QWEN.encode_conversations(talks)
    for branch, messages in enumerate(talks, start=1):
        seen = [i for i, b in enumerate(row.branches) if b in (0, branch)]
        assert [row.token_ids[i] for i in seen] == QWEN.encode(messages).token_ids


# -- what is refused -----------------------------------------------------------------------------


def test_a_model_without_coordinates_refuses_boxes():
    messages = answered(ask_about([CAT], "where?"), "")
    messages[1] = says(box(1, 2, 3, 4))
    message = "holds a box, which this model has no way to write; describe the place in words"
    with pytest.raises(TokenError, match=message):
        subject("llava_1_5_debug").processor.encode(messages)


def test_a_box_in_no_picture_is_refused():
    for index in (1, -1, "cat"):
        with pytest.raises(TokenError, match=rf"picture {index!r}, but the conversation's 1 pict"):
            QWEN.encode([*ask_about([CAT]), says(box(1, 2, 3, 4, image=index))])


def test_a_box_in_features_of_unknown_size_is_refused():
    messages = [*ask_about(["cat"]), says({"type": "box", "box": Box(1.0, 2.0, 3.0, 4.0)})]
    encoded = QWEN.encode_image(CAT)
    known = QWEN.encode(messages, features=[encoded])
    features = replace(encoded, pixels=torch.zeros(2, 3, 32), is_features=True)
    assert QWEN.encode(messages, features=[features]).token_ids == known.token_ids
    unknown = replace(features, original_height=None, original_width=None)
    with pytest.raises(TokenError, match="original size was not recorded; encode the picture"):
        QWEN.encode(messages, features=[unknown])


def test_a_tokenizer_without_the_formats_tokens_is_refused():
    config = replace(subject("llava_debug").processor.config, coordinates=QWEN.config.coordinates)
    debug = subject("llava_debug")
    with pytest.raises(TokenError, match=r"no special token '<.object_ref_start"):
        Processor(config, debug.architecture.model, debug.processor.tokenizer)


def test_configurations_from_before_coordinates_still_load():
    plain = to_dict(QWEN.config)
    assert from_dict(ProcessorConfig, plain) == QWEN.config
    del plain["coordinates"]
    assert from_dict(ProcessorConfig, plain).coordinates is None
