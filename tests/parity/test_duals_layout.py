"""CLIP and SigLIP between transformers and us: their folder read here, ours written and read there.

Each side uses its own tokenizer, picture processor and weights, nothing of the other.
"""

import random
from typing import Any

import numpy as np
import pytest
import torch
from tests.checkpoint import published_dual
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import build_scorer
from tests.parity.families.duals import KINDS, PICTURES, TEXTS, TheirDual, compare
from tests.parity.round_trip import differences

from triptych.checkpoint.scorers import LoadedScorer, export_scorer, import_scorer
from triptych.media import ShortestEdgeCropConfig
from triptych.media.opening import open_image
from triptych.objectives.contrastive import contrastive

transformers = pytest.importorskip("transformers")

PIXEL_TOLERANCE = 1e-6
"""They round in another order; pixels are numbers up to 2.7."""

CLASSES = {"clip_debug": "CLIPModel", "siglip_debug": "SiglipModel"}


@pytest.fixture(scope="module", params=list(KINDS))
def pair(request, tmp_path_factory) -> tuple[Any, LoadedScorer, TheirDual, TheirDual]:
    """The reference, ours as read from its folder, and theirs as read from both folders."""
    folder = tmp_path_factory.mktemp("dual")
    class_name, build = KINDS[request.param]
    given = build()
    published_dual.save(folder / "theirs", given)
    ours = import_scorer(folder / "theirs")
    export_scorer(folder / "ours", ours, shard_bytes=50_000)
    return (
        given,
        ours,
        TheirDual(folder / "theirs", class_name),
        TheirDual(folder / "ours", class_name),
    )


def test_numbers_are_those_of_transformers(pair):
    """Measured worst case on a CPU: 2.0e-6, where scores spread by 0.3 to 0.9."""
    _, ours, theirs, again = pair
    for each in (theirs, again):
        row = compare("", ours, each)
        assert row.spread > 0.3 and row.is_met()


def test_every_tensor_and_setting_comes_back(pair):
    given, _, _, again = pair
    before, after = given.state_dict(), again.model.state_dict()
    assert set(before) == set(after) and len(before) > 60
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    found = differences(given.config.to_dict(), again.model.config.to_dict())
    # Where the scale began in training is no part of a model.
    assert set(found) <= {".logit_scale_init_value"}


def test_token_ids_and_pixels_are_those_of_transformers(pair):
    _, ours, theirs, again = pair
    chance = random.Random(0)
    words = ("A", "red", "Circle,", "7", "dogs!", "isn't", "", "e\u0301t\u00e9", "\u732b\n", "...")
    texts = [" ".join(chance.choices(words, k=chance.randrange(6))) for _ in range(200)]
    sizes = [(1, 1), (1, 90), (333, 2), (40, 40), (47, 101)]
    pictures = [picture(i, *size) for i, size in enumerate(sizes)]
    inputs = ours.processor.encode(pictures, texts)
    for each in (theirs, again):
        given = each.inputs(pictures, texts)
        assert torch.equal(inputs.token_ids, given["input_ids"])
        assert (inputs.pixels - given["pixel_values"]).abs().max() <= PIXEL_TOLERANCE


@torch.no_grad()
def test_the_loss_is_that_of_transformers(pair):
    _, ours, theirs, _ = pair
    given = theirs.inputs(PICTURES, TEXTS[:3])
    inputs = ours.processor.encode(PICTURES, TEXTS[:3])
    expected = theirs.model(**given, return_loss=True).loss
    torch.testing.assert_close(contrastive(ours.model, inputs), expected)


def test_crops_are_where_transformers_cuts_them():
    """2,000 sizes: a picture whose colours are its coordinates shows what was cut."""
    from transformers.image_transforms import center_crop, get_resize_output_image_size

    chance = random.Random(0)
    policy = ShortestEdgeCropConfig(size=7, interpolation="nearest")
    for _ in range(2000):
        height, width = (max(1, int(2 ** chance.uniform(0, 6.5))) for _ in range(2))
        resized = get_resize_output_image_size(
            np.zeros((3, height, width)),
            7,
            default_to_square=False,
            input_data_format="channels_first",
        )
        _, transform = policy.apply(open_image(np.zeros((height, width, 3), np.uint8)))
        assert (transform.scale_y * height, transform.scale_x * width) == pytest.approx(resized)
        places = np.mgrid[: resized[0], : resized[1]].astype(np.int32)
        corner = center_crop(places, (7, 7), input_data_format="channels_first")[:, 0, 0]
        assert [-transform.offset_y, -transform.offset_x] == corner.tolist()


@pytest.mark.parametrize("name", sorted(CLASSES))
@torch.no_grad()
def test_a_model_of_ours_says_the_same_there(name, tmp_path):
    ours = build_scorer(name)
    export_scorer(tmp_path / "hf", ours)
    row = compare(name, ours, TheirDual(tmp_path / "hf", CLASSES[name]))
    assert row.is_met()


def test_settings_that_old_files_repeat_outweigh_the_others(tmp_path):
    """As in openai/clip-vit-large-patch14: the repeated group counts, with its defaults."""
    from tests.checkpoint.test_llava import edit

    given = published_dual.clip(old_end=True)
    published_dual.save(tmp_path / "clip", given)
    text = given.config.text_config.to_dict()
    repeated = {key: value for key, value in text.items() if key != "eos_token_id"}
    edit(tmp_path / "clip" / "config.json", text_config_dict=repeated)
    language = import_scorer(tmp_path / "clip").architecture.model.language
    theirs = transformers.CLIPConfig.from_pretrained(tmp_path / "clip").text_config
    assert language.end_id == theirs.eos_token_id == 49_407
