"""Pictures in tiles on their way from messages to a model: room, words, positions, boxes."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import answered, clip, picture, subject, watch

from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel, load_model, save_model
from triptych.errors import ConfigError, DataError, ShapeError, TokenError
from triptych.fusion.splice import splice
from triptych.geometry import Box
from triptych.inputs import ImageSpan
from triptych.media import Clip
from triptych.processor import Processor, ask_about
from triptych.text import PixelsConfig, ThousandthsConfig

TILED = ["internvl_debug", "llava_next_debug", "smolvlm_debug"]
every_tiled = pytest.mark.parametrize("name", TILED)


@every_tiled
def test_a_picture_has_as_many_slots_as_tokens_whatever_its_size(name):
    debug = subject(name)
    for index, size in enumerate([(40, 60), (90, 20), (5, 200), (32, 32), (1, 1)]):
        prompt = debug.prompt(ask_about([picture(index, *size)], "hi"))
        [span], [image] = prompt.spans, prompt.images
        assert len(image.pixels) == span.tiles.num_tiles
        assert (span.tiles.height, span.tiles.width) == size
        stood = [prompt.token_ids[position] for position in span.positions]
        assert stood == [debug.processor.image_id] * span.num_slots
        assert prompt.token_ids.count(debug.processor.image_id) == span.num_slots
        with torch.no_grad():
            [tokens] = debug.model.encode(debug.processor.collate([prompt]))
        assert len(tokens) == span.num_slots


def test_words_stand_between_the_slots_of_one_picture():
    debug = subject("smolvlm_debug")
    prompt = debug.prompt(ask_about([picture(0, 32, 64)], "hi"))
    [span] = prompt.spans
    # Two tiles and the whole, four tokens each; `fake` and a place stand in front of each.
    assert (span.tiles.rows, span.tiles.cols, span.num_slots) == (1, 2, 12)
    assert span.offsets[:8] == (0, 1, 2, 3, 6, 7, 8, 9)
    words = [id for id in prompt.token_ids if id != debug.processor.image_id]
    assert debug.processor.tokenizer.decode(words, skip_special=False) == (
        "<|im_start|>User:<fake_token_around_image><row_1_col_1>"
        "<fake_token_around_image><row_1_col_2>\n\n<fake_token_around_image><global-img>"
        "<fake_token_around_image>hi<end_of_utterance>\nAssistant:"
    )
    assert all(label == -100 for label in prompt.labels)


def test_visual_tokens_are_written_into_every_run_of_slots():
    span = ImageSpan(
        batch_index=1, start=2, num_slots=3, token_grid=None, offsets=(0, 1, 4), sample_id="cat"
    )
    assert (list(span.positions), span.stop) == ([2, 3, 6], 7)
    spliced = splice(torch.zeros(2, 8, 1), [torch.tensor([[1.0], [2.0], [3.0]])], [span])
    assert spliced[..., 0].tolist() == [[0] * 8, [0, 0, 1, 2, 0, 0, 3, 0]]
    with pytest.raises(ShapeError, match=r"sample cat: .* 2 visual tokens but .* reserves 3"):
        splice(torch.zeros(2, 8, 1), [torch.zeros(2, 1)], [span])


@every_tiled
def test_padding_on_the_left_moves_all_slots(name):
    debug = subject(name)
    samples = [debug.prompt(ask_about([picture(0, 32, 64)])), debug.prompt(ask_about([], "hi"))]
    longer = debug.prompt(ask_about([picture(1, 60, 60), picture(2, 60, 60)], "what is it?"))
    inputs = debug.processor.collate([*samples, longer], pad="left")
    for span in inputs.spans:
        stood = inputs.token_ids[span.batch_index, list(span.positions)]
        assert (stood == debug.processor.image_id).all()
    assert (inputs.token_ids == debug.processor.image_id).sum() == sum(
        span.num_slots for span in inputs.spans
    )


@every_tiled
def test_spellings_of_slots_in_a_message_stay_text(name):
    debug = subject(name)
    spelt = "<image><IMG_CONTEXT><img></img><fake_token_around_image><row_1_col_1><global-img>"
    plain = debug.prompt(ask_about([picture(0)], "hi"))
    fuzzed = debug.prompt(ask_about([picture(0)], f"{spelt} hi {spelt}"))
    for token, id in debug.processor.tokenizer.special_tokens.items():
        assert fuzzed.token_ids.count(id) == plain.token_ids.count(id), token


@every_tiled
def test_several_conversations_share_one_picture_in_tiles(name):
    debug = subject(name)
    both = [answered(ask_about([picture(0)], text), "a cross") for text in ("hi", "what is it?")]
    images = [debug.processor.encode_image(picture(0))]
    together = debug.processor.encode_conversations(both, images=images)
    alone = [debug.processor.encode(each, features=images) for each in both]
    [span] = together.spans
    assert span == alone[0].spans[0] and len(together.images) == 1
    with torch.no_grad():
        joined = debug.model(debug.processor.collate([together]))
        each = [debug.model(debug.processor.collate([sample])) for sample in alone]
    last = [joined[0, index] for index in _ends(together.branches)]
    for ours, theirs in zip(last, each, strict=True):
        torch.testing.assert_close(ours, theirs[0, -1], rtol=0, atol=2e-5)


def _ends(branches: list[int]) -> list[int]:
    """Where each branch ends."""
    return [max(i for i, b in enumerate(branches) if b == branch) for branch in (1, 2)]


def test_boxes_in_pixels_are_those_of_all_tiles_together():
    debug = subject("internvl_debug")
    config = replace(debug.processor.config, coordinates=PixelsConfig())
    processor = Processor(config, debug.architecture.model, debug.processor.tokenizer)
    seen_height, seen_width = config.resize.target_size(20, 40)
    assert (seen_height, seen_width) == (32, 64)
    content = [
        {"type": "image", "image": picture(0, 20, 40)},
        {"type": "box", "box": [10, 5, 40, 20], "label": "cat"},
    ]
    ids = processor.encode([{"role": "user", "content": content}]).token_ids
    written = '{"bbox_2d": [16, 8, 64, 32], "label": "cat"}'
    assert written in processor.tokenizer.decode(ids)
    [found] = processor.read_places(written, 40, 20)
    assert found.place == Box(10.0, 5.0, 40.0, 20.0)


def test_boxes_are_told_in_shares_of_the_whole_picture():
    debug = subject("llava_next_debug")
    config = replace(debug.processor.config, coordinates=ThousandthsConfig())
    tokenizer = debug.processor.tokenizer
    tokenizer = type(tokenizer).train_byte_bpe(
        ["a"], 320, [*tokenizer.special_tokens, *ThousandthsConfig().special_tokens]
    )
    processor = Processor(config, debug.architecture.model, tokenizer)
    content = [
        {"type": "image", "image": picture(0, 40, 200)},
        {"type": "box", "box": [100, 10, 200, 20]},
    ]
    ids = processor.encode([{"role": "user", "content": content}]).token_ids
    written = "(500,250),(999,500)"
    assert written in tokenizer.decode(ids, skip_special=False)
    [found] = processor.read_places(f"<|box_start|>{written}<|box_end|>", 200, 40)
    assert (found.place.left, found.place.top, found.place.bottom) == (100, 10, 20)
    assert found.place.right == pytest.approx(200, abs=0.3)


@every_tiled
def test_frames_of_a_clip_are_seen_whole(name):
    debug = subject(name)
    film: Clip = clip(0, 3)
    encoded = debug.processor.encode_clip(film)
    side = debug.processor.config.resize.tile_size
    assert encoded.pixels.shape == (3, 1, 3, side, side)
    assert (encoded.is_clip, encoded.tiles) == (True, None)
    with pytest.raises(TokenError, match="no token for one"):
        debug.prompt(watch(film))


@every_tiled
def test_another_budget_of_pixels_is_refused(name):
    debug = subject(name)
    with pytest.raises(ConfigError, match="TilingConfig, leave them out"):
        Processor(
            debug.processor.config,
            debug.architecture.model,
            debug.processor.tokenizer,
            max_pixels=100_000,
        )


@every_tiled
@torch.no_grad()
def test_a_model_comes_back_from_a_folder_of_either_kind(tmp_path, name):
    debug = subject(name)
    loaded = LoadedModel(debug.architecture, debug.model, debug.processor)
    export_model(tmp_path / "hf", loaded)
    save_model(tmp_path / "own", debug.architecture, debug.model, debug.processor.tokenizer)
    prompt = debug.prompt(ask_about([picture(0, 40, 60), picture(1, 20, 90)], "what is it?"))
    expected = debug.model(debug.processor.collate([prompt]))
    for again in (import_model(tmp_path / "hf"), load_model(tmp_path / "own")):
        assert again.architecture.processor.resize == debug.architecture.processor.resize
        assert again.architecture.processor.tile_text == debug.architecture.processor.tile_text
        sample = again.processor.encode(
            ask_about([picture(0, 40, 60), picture(1, 20, 90)], "what is it?"),
            add_generation_prompt=True,
        )
        assert sample.token_ids == prompt.token_ids
        assert torch.equal(again.model(again.processor.collate([sample])), expected)
    card = (tmp_path / "hf" / "README.md").read_text()
    tiles = debug.processor.config.resize.tiles(768, 1024)
    assert "cut into tiles of 32 x 32 pixels, with one that shows the whole" in card
    assert f"for 1024 x 768 pixels, which are {tiles.num_tiles} tiles" in card


def test_features_of_tiles_are_not_kept_on_disk(tmp_path):
    from PIL import Image

    from triptych.train.features import build_features

    debug = subject("smolvlm_debug")
    path = tmp_path / "cat.png"
    Image.fromarray(picture(0)).save(path)
    with pytest.raises(DataError, match="does not cut pictures"):
        build_features(tmp_path, debug.model, debug.processor, {"cat": path})
