"""InternVL between transformers and us: numbers, folders, token ids and pixels."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.laws.debug_models import picture
from tests.parity.families import internvl as family
from tests.parity.round_trip import check_round_trip, exported
from tests.parity.test_idefics3_layout import conversation
from tests.parity.test_llava_next_layout import CONVERSATIONS, in_parts
from torch import Tensor

from triptych.checkpoint import files
from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.processor import ask_about

transformers = pytest.importorskip("transformers")

PIXEL_TOLERANCE = 1e-6
"""They round in another order; pixels are numbers up to 2.7."""

UNREAD = (".architectures", ".bos_token_id", ".max_window_layers")
"""What a panel alone would be called; a token that nothing begins with; windows that are off."""


class Processor(transformers.InternVLProcessor):
    """Theirs without its processor of videos, which needs torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> None:
        if argument_name != "video_processor":
            super().check_argument_for_proper_class(argument_name, argument)


class Theirs:
    """What transformers makes of a folder."""

    def __init__(self, folder: Path) -> None:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.processor = Processor(
            transformers.AutoImageProcessor.from_pretrained(folder),
            tokenizer,
            None,
            image_seq_length=9,
            chat_template=(folder / "chat_template.jinja").read_text(),
        )
        self.model = transformers.InternVLForConditionalGeneration.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()

    def inputs(self, messages: list[Any]) -> dict[str, Tensor]:
        """All by their processor."""
        return self.processor.apply_chat_template(
            [in_parts(message) for message in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )


@pytest.fixture(scope="module", params=list(family.KINDS))
def pair(request, tmp_path_factory) -> tuple[Any, LoadedModel, Theirs]:
    """The reference, ours as read from its folder, and theirs as read from our export."""
    folder = tmp_path_factory.mktemp("internvl")
    given = family.reference(**family.KINDS[request.param])
    family.save(folder / "theirs", given)
    ours, written = exported(folder)
    return given, ours, Theirs(written)


def test_all_rows_of_the_table_are_met():
    """Measured worst case on a CPU: 1.2e-6 vision, 1.2e-6 connector, 2.7e-6 logits."""
    rows = family.rows()
    assert len(rows) == 3 and all(row.is_met() for row in rows), rows


def test_the_reference_comes_back_from_our_export(pair):
    before, ours, theirs = pair
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in family.BATCH]
    inputs = family.given_to(ours.processor.collate(samples, pad="left"))
    check_round_trip(before, theirs.model, inputs, num_tensors=60, unread=UNREAD)


def check_inputs(ours: LoadedModel, theirs: Theirs, messages: list[Any]) -> None:
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    given = theirs.inputs(messages)
    assert sample.token_ids == given["input_ids"][0].tolist()
    tiles = [tile for image in sample.images for tile in image.pixels]
    for tile, pixels in zip(tiles, given.get("pixel_values", []), strict=True):
        assert (tile - pixels).abs().max() <= PIXEL_TOLERANCE
    slots = [position for span in sample.spans for position in span.positions]
    places = enumerate(sample.token_ids)
    assert slots == [place for place, id in places if id == ours.processor.image_id]


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_token_ids_and_pixels_are_those_of_transformers(pair, messages):
    _, ours, theirs = pair
    check_inputs(ours, theirs, messages)


def test_conversations_drawn_at_random_have_the_token_ids_of_transformers(pair):
    _, ours, theirs = pair
    drawn = random.Random(0)
    for _ in range(24):
        check_inputs(ours, theirs, conversation(drawn))


def test_all_tiles_stand_in_one_run_between_two_tokens(pair):
    _, ours, _ = pair
    sample = ours.processor.encode(ask_about([picture(0, 20, 60)], "hi"))
    [span] = sample.spans
    assert (span.tiles.num_tiles, span.num_slots, span.offsets) == (4, 36, None)
    special = ours.processor.tokenizer.special
    assert sample.token_ids[span.start - 1] == special("<img>")
    assert sample.token_ids[span.stop] == special("</img>")


def test_names_of_every_version_are_read(tmp_path):
    given = family.reference()
    family.save(tmp_path, given)
    ours = import_model(tmp_path).model.state_dict()
    files.write_tensors(tmp_path / "model.safetensors", dict(given.state_dict()))
    again = import_model(tmp_path).model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in ours.items())
