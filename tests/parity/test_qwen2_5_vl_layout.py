"""Qwen2.5-VL between transformers and us: numbers, folders, token ids, and where clips differ."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.laws.debug_models import clip, picture, watch
from tests.parity.conversations import random_conversation
from tests.parity.families import qwen2_5_vl as family
from tests.parity.families.qwen2_vl import CLIPS, SEVERAL
from tests.parity.round_trip import check_round_trip, exported
from tests.parity.test_qwen2_vl_layout import CONVERSATIONS
from tests.parity.test_qwen2_vl_layout import Theirs as OlderTheirs

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.media import NativeResizeConfig

transformers = pytest.importorskip("transformers")


class Theirs(OlderTheirs):
    """What transformers makes of a folder of this family."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.pictures = transformers.AutoImageProcessor.from_pretrained(folder)
        self.model = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()


@pytest.fixture(scope="module", params=["tied", "untied"])
def pair(request, tmp_path_factory) -> tuple[Any, LoadedModel, Theirs]:
    """The reference, ours as read from its folder, and theirs as read from our export."""
    folder = tmp_path_factory.mktemp("qwen2_5_vl")
    given = family.reference(3, tied=request.param == "tied")
    family.older.save(folder / "theirs", given)
    ours, written = exported(folder)
    return given, ours, Theirs(written)


def test_all_rows_of_the_table_are_met():
    rows = family.rows()
    assert len(rows) == 3 and all(row.is_met() for row in rows), rows


def test_the_reference_comes_back_from_our_export(pair):
    before, ours, theirs = pair
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in SEVERAL]
    inputs = family.given_to(ours)(ours.processor.collate(samples, pad="left"))
    check_round_trip(before, theirs.model, inputs, num_tensors=60, unread=("max_window_layers",))


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_token_ids_are_those_of_transformers(pair, messages):
    _, ours, theirs = pair
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    assert sample.token_ids == theirs.inputs(messages)["input_ids"][0].tolist()


@pytest.mark.parametrize("messages", [*family.CLIPS, *CLIPS])
def test_token_ids_of_clips_are_those_of_the_chat_template(pair, messages):
    _, ours, theirs = pair
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    text = theirs.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=False
    )
    counts = iter(span.num_slots for span in sample.spans)
    expanded = "".join(
        piece * next(counts) if piece.endswith("_pad|>") else piece
        for piece in re.split(r"(<\|(?:image|video)_pad\|>)", text)
    )
    ids = theirs.tokenizer(expanded, add_special_tokens=False).input_ids
    assert sample.token_ids == ids


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_token_ids_of_random_conversations_are_those_of_transformers(pair, start):
    _, ours, theirs = pair
    for seed in range(start, start + 50):
        messages = random_conversation(seed)
        sample = ours.processor.encode(messages, add_generation_prompt=True)
        assert sample.token_ids == theirs.inputs(messages)["input_ids"][0].tolist(), seed


def test_no_spelling_of_a_person_becomes_a_slot(pair):
    _, ours, _ = pair
    special = ours.processor.tokenizer.special_tokens
    for seed in range(50):
        messages = random_conversation(seed, [*special, "<|image_pad", "|>", "<|"])
        sample = ours.processor.encode(messages, add_generation_prompt=True)
        num_slots = sum(span.num_slots for span in sample.spans)
        assert sample.token_ids.count(ours.processor.image_id) == num_slots
        assert sample.token_ids.count(ours.processor.video_id) == 0
        turns = len(messages) + 1 + (messages[0]["role"] != "system")
        assert sample.token_ids.count(special["<|im_start|>"]) == turns


def test_sizes_are_those_of_the_reference():
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    policy = NativeResizeConfig(factor=28, min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
    draw = random.Random(0)
    sizes = [(draw.randint(1, 4000), draw.randint(1, 4000)) for _ in range(1900)]
    sizes += [(draw.randint(1, 40), draw.randint(1, 40)) for _ in range(50)]
    sizes += [(draw.randint(1, 20), draw.randint(100, 4000)) for _ in range(50)]
    seen = [(h, w) for h, w in sizes if max(h, w) / min(h, w) <= 200]
    assert len(seen) > 1900
    for height, width in seen:
        theirs = smart_resize(height, width, 28, 56 * 56, 1280 * 28 * 28)
        assert policy.target_size(height, width) == theirs


def positions(ours: LoadedModel, reference: Any, messages: list[Any]) -> tuple[Any, Any]:
    """Ours and theirs, `3 token`."""
    inputs = ours.processor.collate([ours.processor.encode(messages)])
    given = family.given_to(ours)(inputs)
    theirs, _ = reference.model.get_rope_index(
        given["input_ids"],
        given["mm_token_type_ids"],
        image_grid_thw=given.get("image_grid_thw"),
        video_grid_thw=given.get("video_grid_thw"),
        second_per_grid_ts=given.get("second_per_grid_ts"),
    )
    return inputs.position_ids[:, 0], theirs[:, 0]


@pytest.mark.parametrize("messages", [*family.CLIPS, *SEVERAL])
def test_positions_are_those_of_transformers_where_the_rules_agree(pair, messages):
    reference, ours, _ = pair
    mine, theirs = positions(ours, reference, messages)
    assert torch.equal(mine, theirs)


@pytest.mark.parametrize("fps", [2.0, 1.5, 0.7])
def test_after_a_long_clip_transformers_repeats_positions_and_we_do_not(pair, fps):
    """5.24 as 5.23: the clip's own positions are equal, those behind it are not."""
    reference, ours, _ = pair
    messages = watch(clip(3, 12, 32, 48), "what happens?", fps=fps)
    mine, theirs = positions(ours, reference, messages)
    is_clip = torch.tensor(ours.processor.encode(messages).token_ids) == ours.processor.video_id
    last = int(is_clip.nonzero()[-1])
    assert torch.equal(mine[:, : last + 1], theirs[:, : last + 1])
    assert (mine[:, last + 1 :] > theirs[:, last + 1 :]).all()
    assert int(mine[0, last + 1]) == int(mine[:, is_clip].max()) + 1
    # Behind the clip theirs goes on from its three columns: from within the clip.
    assert int(theirs[0, last + 1]) == int(mine[0, is_clip][0]) + 3 <= int(theirs[0, is_clip].max())


def test_seconds_not_slices_decide_how_far_apart_slices_are(tmp_path):
    family.older.save(tmp_path, family.reference())
    ours = import_model(tmp_path)

    def steps(fps: float) -> list[int]:
        sample = ours.processor.encode(watch(clip(1, 8, 32, 32), fps=fps))
        times = sample.position_ids[0][torch.tensor(sample.token_ids) == ours.processor.video_id]
        return sorted({int(each - times[0]) for each in times})

    assert steps(2.0) == [0, 2, 4, 6]  # a slice of two frames lasts a second
    assert steps(1.0) == [0, 4]
    assert CLIPS and steps(1.9) == [0, 2, 4, 6]  # 2.1 rounded down


def test_boxes_are_pixels_of_the_picture_as_the_model_sees_it(pair):
    _, ours, _ = pair
    seen = ours.processor.encode_image(picture(0, 192, 96))
    assert (seen.height, seen.width) == (128, 64) or seen.height < 192
    content = [
        {"type": "image", "image": picture(0, 192, 96)},
        {"type": "box", "box": [0, 96, 96, 192], "label": "cat"},
    ]
    ids = ours.processor.encode([{"role": "user", "content": content}]).token_ids
    text = ours.processor.tokenizer.decode(ids, skip_special=True)
    written = f'{{"bbox_2d": [0, {seen.height // 2}, {seen.width}, {seen.height}], "label": "cat"}}'
    assert written in text
    [found] = ours.processor.read_places(written, 96, 192)
    assert found.label == "cat"
    assert (found.place.left, found.place.top) == (0, 96)
    assert (found.place.right, found.place.bottom) == (96, 192)
