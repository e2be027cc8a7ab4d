"""Pictures and clips as a model takes them: sizes, budgets, slices, slots and positions."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from tests.laws.debug_models import answered, clip, picture, subject, watch

from triptych.config import from_dict, to_dict
from triptych.errors import ConfigError, TokenError
from triptych.media import NativeResizeConfig
from triptych.pictures import ClipConfig, with_pixels
from triptych.processor import Processor, ProcessorConfig, ask_about
from triptych.text import ChatTemplate

QWEN = subject("qwen2_vl_debug")


def configured(**changes: object) -> Processor:
    config = replace(QWEN.processor.config, **changes)
    return Processor(config, QWEN.processor.model, QWEN.processor.tokenizer)


# -- clips ---------------------------------------------------------------------------------------


def test_a_clip_becomes_slices_of_two_frames_and_the_last_fills_up():
    encoded = QWEN.processor.encode_clip(clip(0, 5))
    assert encoded.pixels.shape == (3, 2, 3, 32, 48)
    assert (encoded.num_slices, encoded.is_clip) == (3, True)
    assert (encoded.original_height, encoded.original_width) == (32, 48)
    for index in range(6):
        alone = QWEN.processor.encode_image(picture(min(index, 4), 32, 48))
        assert torch.equal(encoded.pixels[index // 2, index % 2], alone.pixels)


def test_a_clip_stands_in_the_sequence_as_its_own_token_with_positions_in_time():
    # [??, vision start, two slices of 2 x 3, vision end, !!]
    template = ChatTemplate(
        source="??<|vision_start|><|video_pad|><|vision_end|>!!",
        end_tokens=("<|im_end|>",),
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
    )
    processor = configured(template=template)
    sample = processor.encode(watch(clip(0, 4)))
    assert sample.token_ids.count(processor.video_id) == 12
    assert processor.image_id not in sample.token_ids
    [span] = sample.spans
    assert (span.start, span.num_slots, span.num_frames, span.token_grid[:2]) == (3, 12, 2, (2, 3))
    assert sample.position_ids.tolist() == [
        [0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 6, 7, 8],
        [0, 1, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4, 6, 7, 8],
        [0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 6, 7, 8],
    ]


def test_pictures_and_clips_stand_in_the_order_of_the_message():
    content = [
        {"type": "video", "video": clip(0, 2)},
        {"type": "image", "image": picture(5, 32, 32)},
        {"type": "text", "text": "compare"},
        {"type": "video", "video": clip(0, 4, 48, 32)},
    ]
    sample = QWEN.prompt([{"role": "user", "content": content}])
    assert [image.is_clip for image in sample.images] == [True, False, True]
    assert [span.num_slots for span in sample.spans] == [6, 4, 12]
    ids = [sample.token_ids[span.start] for span in sample.spans]
    video, image = QWEN.processor.video_id, QWEN.processor.image_id
    assert ids == [video, image, video]


def test_options_of_a_video_say_how_it_is_sampled():
    frames = [Image.fromarray(picture(index, 32, 32)) for index in range(8)]
    for options, num_slices in (
        ({}, 4),
        ({"source_fps": 8}, 1),
        ({"source_fps": 8, "fps": 4}, 2),
        ({"max_frames": 2}, 1),
    ):
        sample = QWEN.prompt(watch(frames, **options))
        assert sample.spans[0].num_frames == num_slices, options
    assert QWEN.prompt(watch(clip(0, 8))).spans[0].num_frames == 4
    assert QWEN.prompt(watch(clip(0, 8), fps=1)).spans[0].num_frames == 2


def test_all_slices_together_stay_within_the_budget():
    long, short = clip(0, 16, 96, 96), clip(0, 2, 96, 96)
    tight = configured(clips=ClipConfig(max_pixels=8 * 48 * 48))
    assert tight.encode_clip(short).pixels.shape[-2:] == (96, 96)
    assert tight.encode_clip(long).pixels.shape[-2:] == (48, 48)
    frames = configured(clips=ClipConfig(max_frame_pixels=32 * 32))
    assert frames.encode_clip(short).pixels.shape[-2:] == (32, 32)
    nothing = configured(clips=ClipConfig(max_pixels=1))
    assert nothing.encode_clip(long).pixels.shape[-2:] == (16, 16)
    with pytest.raises(ConfigError, match="of a clip must be above 0"):
        ClipConfig(max_frames=0)


def test_a_model_that_knows_no_time_takes_every_frame_as_a_picture():
    debug = subject("llava_1_5_debug")
    source = (
        "{% for m in messages %}{% for p in m.content %}"
        "{{ video_token if p.type == 'video' else p.text }}{% endfor %}{% endfor %}"
    )
    template = replace(debug.processor.template, source=source, video_token="<image>")
    config = replace(debug.processor.config, template=template)
    processor = Processor(config, debug.processor.model, debug.processor.tokenizer)
    content = [{"type": "video", "video": clip(0, 3)}]
    sample = processor.encode([{"role": "user", "content": content}])
    assert sample.images[0].pixels.shape[:3] == (3, 1, 3)
    with torch.no_grad():
        [tokens] = debug.model.encode(processor.collate([sample]))
        frames = [debug.prompt(ask_about([picture(index, 32, 48)])) for index in range(3)]
        alone = debug.model.encode(processor.collate(frames))
    torch.testing.assert_close(tokens, torch.cat(alone))
    assert sample.spans[0].num_slots == len(tokens)


def test_conversations_share_clips():
    source = clip(0, 4)
    talks = [answered(watch(source, text), "yes") for text in ("one", "two")]
    row = QWEN.processor.encode_conversations(talks)
    assert len(row.spans) == 1
    for branch, messages in enumerate(talks, start=1):
        seen = [i for i, b in enumerate(row.branches) if b in (0, branch)]
        alone = QWEN.processor.encode(messages)
        assert [row.token_ids[i] for i in seen] == alone.token_ids
        assert row.position_ids[..., seen].tolist() == alone.position_ids.tolist()
    others = [watch(source, fps=1), watch(source, fps=2), ask_about([source])]
    for other in others:
        with pytest.raises(TokenError, match="about different pictures"):
            QWEN.processor.encode_conversations([watch(source), other])


# -- budgets -------------------------------------------------------------------------------------


def test_a_part_may_have_its_own_budget():
    image = {"type": "image", "image": picture(0, 80, 80)}
    sizes = [
        QWEN.prompt([{"role": "user", "content": [{**image, **options}]}]).images[0].height
        for options in ({}, {"max_pixels": 32 * 32}, {"min_pixels": 128 * 128})
    ]
    assert sizes == [80, 32, 128]
    sample = QWEN.prompt(watch(clip(0, 2, 80, 80), max_pixels=32 * 32))
    assert (sample.images[0].height, sample.images[0].original_height) == (32, 80)


def test_a_processor_may_have_another_budget():
    smaller = Processor(
        QWEN.processor.config, QWEN.processor.model, QWEN.processor.tokenizer, max_pixels=48 * 48
    )
    assert smaller.encode_image(picture(0, 90, 90)).pixels.shape == (3, 48, 48)
    assert smaller.config.resize.max_pixels == 48 * 48
    assert with_pixels(smaller.config.resize, None, 20 * 20).min_pixels == 20 * 20


def test_models_whose_pictures_have_one_size_take_no_budget():
    debug = subject("llava_1_5_debug")
    message = "for models that take pictures at their own size; this one resizes by Pad"
    with pytest.raises(ConfigError, match=message):
        Processor(
            debug.processor.config, debug.processor.model, debug.processor.tokenizer, max_pixels=900
        )
    content = [{"type": "image", "image": picture(0), "min_pixels": 900}]
    with pytest.raises(ConfigError, match=message):
        debug.prompt([{"role": "user", "content": content}])


# -- what is refused -----------------------------------------------------------------------------


def test_a_model_without_a_token_for_clips_refuses_them():
    with pytest.raises(TokenError, match="has no token for one; give some of its frames as images"):
        subject("llava_1_5_debug").prompt(watch(clip(0, 2)))


def test_options_must_be_numbers():
    for options in ({"fps": "2"}, {"fps": 0}, {"max_frames": True}, {"max_pixels": -1}):
        name, value = next(iter(options.items()))
        with pytest.raises(TokenError, match=f"{name} of the video must be a number above 0, got"):
            QWEN.prompt(watch(clip(0, 2), **{name: value}))


def test_a_template_that_writes_a_picture_for_a_clip_is_refused():
    source = "{% for m in messages %}{{ image_token }}{{ m.content[1].text }}{% endfor %}"
    processor = configured(template=replace(QWEN.processor.template, source=source))
    with pytest.raises(TokenError, match=r"wrote <.image_pad.> where .* a part of type video"):
        processor.encode(watch(clip(0, 2)))


def test_configurations_from_before_clips_still_load():
    plain = to_dict(QWEN.processor.config)
    assert from_dict(ProcessorConfig, plain) == QWEN.processor.config
    del plain["clips"], plain["template"]["video_token"]
    old = from_dict(ProcessorConfig, plain)
    assert (old.clips, old.template.video_token) == (ClipConfig(), "")


@pytest.mark.parametrize("bounds", [(0, None), (None, 0), (None, -1)], ids=str)
def test_a_budget_of_nothing_is_refused(bounds):
    with pytest.raises(ConfigError, match="must be above 0"):
        with_pixels(NativeResizeConfig(), *bounds)
