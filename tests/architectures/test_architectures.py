"""Every named system: its published numbers, and that a file can hold it."""

import json

import pytest
import torch

from triptych.architectures import ARCHITECTURES, Architecture, find_architecture
from triptych.config import from_dict, to_dict
from triptych.errors import UnknownNameError
from triptych.fusion.gated import GatedConfig
from triptych.xray.anatomy import anatomy

NAMES = [
    "blip2_debug",
    "blip2_opt_2_7b",
    "flamingo_3b",
    "flamingo_80b",
    "flamingo_9b",
    "flamingo_debug",
    "git_base",
    "git_debug",
    "git_large",
    "idefics_9b",
    "idefics_debug",
    "internvl2_1b",
    "internvl2_2b",
    "internvl2_8b",
    "internvl_debug",
    "kosmos2",
    "kosmos2_debug",
    "llava_1_5_7b",
    "llava_1_5_debug",
    "llava_7b",
    "llava_debug",
    "llava_next_debug",
    "llava_next_mistral_7b",
    "llava_next_vicuna_7b",
    "mini",
    "minivlm",
    "minivlm_debug",
    "paligemma_3b_224",
    "paligemma_3b_448",
    "paligemma_3b_896",
    "paligemma_debug",
    "qwen2_5_vl_3b",
    "qwen2_5_vl_72b",
    "qwen2_5_vl_7b",
    "qwen2_5_vl_debug",
    "qwen2_vl_2b",
    "qwen2_vl_72b",
    "qwen2_vl_7b",
    "qwen2_vl_debug",
    "smolvlm_256m",
    "smolvlm_2_2b",
    "smolvlm_500m",
    "smolvlm_debug",
]


def test_every_architecture_is_here():
    assert sorted(ARCHITECTURES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_name_finds_the_architecture_of_that_name(name):
    assert find_architecture(name).name == name


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'qwen2_vl_8b'; did you mean .*qwen2_vl_7b"):
        find_architecture("qwen2_vl_8b")


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_survives_being_written_to_a_file(name):
    architecture = find_architecture(name)
    written = json.dumps(to_dict(architecture))
    assert from_dict(Architecture, json.loads(written)) == architecture


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        (
            "minivlm",
            {"vision": 303_301_632, "connector": 1_908_480, "language": 361_821_120, "fusion": 0},
        ),
        ("llava_1_5_7b", {"connector": 20_979_712, "fusion": 0}),
        ("llava_7b", {"connector": 1024 * 4096 + 4096}),
        (
            "idefics_9b",
            {
                "vision": 630_763_520,
                "connector": 125_961_984,
                "fusion": 1_434_585_088,
                "language": 6_738_432_000,
            },
        ),
        (
            "blip2_opt_2_7b",
            {"vision": 985_952_256, "connector": 107_130_880, "language": 2_651_596_800},
        ),
        (
            "git_base",
            {"vision": 85_799_424, "connector": 592_128, "language": 90_227_514},
        ),
        (
            "kosmos2",
            {"vision": 303_179_776, "connector": 19_015_680, "language": 1_342_289_920},
        ),
        (
            "paligemma_3b_224",
            {"vision": 412_442_352, "connector": 2_361_344, "language": 2_508_662_784},
        ),
        ("qwen2_5_vl_3b", {"vision": 631_975_680, "connector": 36_708_608}),
        ("qwen2_5_vl_7b", {"vision": 631_975_680, "connector": 44_574_464}),
        ("qwen2_5_vl_72b", {"vision": 636_401_664, "connector": 68_172_032}),
    ],
)
def test_panels_have_the_published_number_of_parameters(name, panels):
    counted = anatomy(find_architecture(name).model).panels
    assert {panel: counted[panel] for panel in panels} == panels


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("minivlm", 303_301_632 + 1_908_480 + 361_821_120),
        ("blip2_opt_2_7b", 3_744_679_936),
        ("qwen2_vl_2b", 2_208_985_600),
        ("qwen2_vl_7b", 8_291_375_616),
        ("qwen2_vl_72b", 73_405_560_320),
        ("git_base", 176_619_066),
        ("git_large", 394_196_026),
        ("kosmos2", 1_664_485_376),
        ("paligemma_3b_224", 2_923_466_480),
        ("paligemma_3b_448", 2_924_351_216),
        ("paligemma_3b_896", 2_927_890_160),
        ("qwen2_5_vl_3b", 3_754_622_976),
        ("qwen2_5_vl_7b", 8_292_166_656),
        ("qwen2_5_vl_72b", 73_410_777_344),
    ],
)
def test_models_have_the_published_number_of_parameters(name, total):
    assert anatomy(find_architecture(name).model).total == total


def test_qwen2_vls_vision_and_merger_have_the_published_number_of_parameters():
    for name, total in (("qwen2_vl_2b", 665_271_296), ("qwen2_vl_7b", 675_759_104)):
        panels = anatomy(find_architecture(name).model).panels
        assert panels["vision"] + panels["connector"] == total


@pytest.mark.parametrize(("size", "num_blocks"), [("3b", 24), ("9b", 10), ("80b", 12)])
def test_flamingos_have_the_published_number_of_new_blocks(size, num_blocks):
    model = find_architecture(f"flamingo_{size}").model
    assert isinstance(model.fusion, GatedConfig)
    assert len(range(0, model.language.depth, model.fusion.every)) == num_blocks


def test_a_seed_decides_the_weights_and_leaves_the_generator_alone():
    architecture = find_architecture("llava_debug")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (architecture.build(seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(
        first["connector.projection.weight"], other["connector.projection.weight"]
    )
