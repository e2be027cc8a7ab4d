"""The page of numbers: published parameter counts, and twins that keep the dialect."""

from dataclasses import fields

import pytest
import torch

import triptych.vision.sizes as sizes
from triptych.vision import penultimate

PUBLISHED = {
    "vit_l16": 303_301_632,
    "clip_vit_l14": 303_179_776,
    "clip_vit_l14_336": 303_507_456,
    # The reference stores a bias of keys too, always zero: 39 x 1,408 more.
    "eva_vit_g14": 985_952_256 - 39 * 1_408,
    "siglip_base_16_224": 85_797_120,
    "siglip_so400m_14_384": 412_987_248,
    "intern_vit_300m": 304_012_288,
    "intern_vit_6b": 5_536_496_000,
    # Vision panel with its merger, less the merger (our connector).
    "qwen2_vl_vit": 665_271_296 - 34_087_936,
}

DIALECT = {field.name for field in fields(sizes.ViTConfig)} - {
    *("image_size", "patch_size", "dim", "depth", "num_heads", "ffn_dim"),
}


@pytest.mark.parametrize(("name", "published"), PUBLISHED.items())
def test_has_the_published_number_of_parameters(name, published):
    with torch.device("meta"):
        vision = getattr(sizes, name)().build()
    assert sum(parameter.numel() for parameter in vision.parameters()) == published


def test_reading_an_earlier_block_builds_one_block_and_the_norm_less():
    block = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 2 * 2 * 1024
    with torch.device("meta"):
        vision = penultimate(sizes.clip_vit_l14_336()).build()
    num_found = sum(parameter.numel() for parameter in vision.parameters())
    assert num_found == PUBLISHED["clip_vit_l14_336"] - block - 2 * 1024


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - {"clip_vit_l14_336"}))
def test_the_twin_speaks_the_dialect_of_its_elder(name):
    elder, twin = getattr(sizes, name)(), getattr(sizes, f"{name}_debug")()
    for field in DIALECT:
        assert getattr(elder, field) == getattr(twin, field), field
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in twin.build().parameters()) < 50_000
