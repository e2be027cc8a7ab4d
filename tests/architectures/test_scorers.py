"""Every named system that compares pictures with texts: its published numbers."""

import json

import pytest

from triptych.architectures import SCORERS, ScorerArchitecture
from triptych.config import from_dict, to_dict
from triptych.xray.anatomy import anatomy

TOTALS = {
    "blip2_itm": 1_172_032_258,
    "clip_b32": 151_277_313,
    "clip_b16": 149_620_737,
    "clip_l14": 427_616_513,
    "clip_l14_336": 427_944_193,
    "siglip_b16": 203_155_970,
    "siglip_so400m": 877_960_498,
}
"""Those of the published checkpoints, which transformers' classes have too on the meta device."""


def test_every_scorer_is_here():
    assert set(SCORERS) == {*TOTALS, "blip2_itm_debug", "clip_debug", "siglip_debug"}


@pytest.mark.parametrize("name", sorted(SCORERS))
def test_a_name_finds_the_scorer_of_that_name(name):
    architecture = SCORERS[name]()
    assert architecture.name == name and architecture.paper
    written = json.dumps(to_dict(architecture))
    assert from_dict(ScorerArchitecture, json.loads(written)) == architecture


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_models_have_the_published_number_of_parameters(name):
    assert anatomy(SCORERS[name]().model).total == TOTALS[name]


def test_clips_panels_have_the_published_number_of_parameters():
    assert anatomy(SCORERS["clip_l14_336"]().model).panels == {
        "vision": 303_507_456,
        "connector": 1024 * 768,
        "fusion": 1,
        "language": 123_060_480 + 768 * 768,
    }


def test_siglips_pooling_head_has_the_published_number_of_parameters():
    panels = anatomy(SCORERS["siglip_b16"]().model).panels
    assert panels["vision"] + panels["connector"] == 92_884_224
    assert panels["fusion"] == 2
