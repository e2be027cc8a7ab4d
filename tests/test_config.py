"""Configurations in files: read strictly, written completely."""

import json
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import pytest

from triptych.architectures import Architecture, find_architecture
from triptych.config import from_dict, override, to_dict
from triptych.connector import LinearConfig, MLPConfig
from triptych.errors import ConfigError


class Size(NamedTuple):
    height: int
    width: int


WINDOW = Size(1, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    radius: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Square:
    side: int
    size: Size | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    shape: Round | Square
    colour: Literal["red", "blue"] = "red"
    weights: tuple[float, ...] = ()
    corner: tuple[int, int] = (0, 0)
    limit: int | None = None
    is_bright: bool = False
    name: str = ""
    frame: Round = Round()
    window: Size = WINDOW


SCENE = Scene(
    shape=Square(side=3, size=Size(4, 5)), weights=(0.5, 1.0), corner=(1, 2), limit=7, name="a"
)


def test_a_config_is_plain_values_that_name_their_classes():
    plain = to_dict(SCENE)
    assert plain["type"] == "Scene"
    assert plain["shape"] == {"type": "Square", "side": 3, "size": [4, 5]}
    assert plain["weights"] == [0.5, 1.0]


def test_what_is_written_is_read_back_through_json():
    again = from_dict(Scene, json.loads(json.dumps(to_dict(SCENE))))
    assert again == SCENE
    assert isinstance(again.window, Size)


def test_keys_left_out_take_their_defaults():
    assert from_dict(Scene, {"shape": {"type": "Round"}}) == Scene(shape=Round())


def test_a_class_that_alone_may_stand_somewhere_need_not_be_named():
    scene = from_dict(Scene, {"shape": {"type": "Round"}, "frame": {"radius": 2.0}})
    assert scene.frame == Round(radius=2.0)


def test_a_whole_number_will_do_for_a_float_and_becomes_one():
    radius = from_dict(Round, {"radius": 2}).radius
    assert radius == 2.0 and isinstance(radius, float)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"shap": {}}, r"Scene has no key 'shap'; did you mean shape\?"),
        ({}, "Scene needs the key 'shape'"),
        ({"shape": {"type": "Squar", "side": 1}}, r"Scene.shape cannot be a 'Squar'.*Square\?"),
        ({"shape": {"radius": 1.0}}, "Scene.shape needs the key 'type', one of Round, Square"),
        ({"shape": {"type": "Square", "sid": 1}}, r"Scene.shape has no key 'sid'.* side or size\?"),
        ({"shape": {"type": "Square", "side": 1.5}}, "Scene.shape.side must be int, got 1.5"),
        ({"shape": {"type": "Square", "side": True}}, "Scene.shape.side must be int, got True"),
        ({"shape": 3}, "Scene.shape must be a group of keys, got 3"),
        ({"shape": {"type": "Round"}, "colour": "green"}, "'green'; known: red, blue"),
        ({"shape": {"type": "Round"}, "name": 3}, "Scene.name must be str, got 3"),
        ({"shape": {"type": "Round"}, "corner": [1]}, "corner must have 2 entries, got 1"),
        ({"shape": {"type": "Round"}, "weights": [1, "a"]}, r"weights\[1\] must be float, got 'a'"),
        ({"shape": {"type": "Round"}, "weights": "12"}, "Scene.weights must be a list, got '12'"),
        ({"shape": {"type": "Round"}, "limit": "x"}, "Scene.limit must be int, got 'x'"),
        ({"shape": {"type": "Round"}, "limit": {"a": 1}}, "takes a plain value"),
        ({"shape": {"type": "Round"}, "is_bright": 1}, "Scene.is_bright must be bool, got 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_by_name(plain, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Scene, plain)


def test_only_configs_are_written():
    with pytest.raises(ConfigError, match="dict is not a configuration"):
        to_dict({"a": 1})


def test_single_values_are_overridden_by_their_path():
    changed = override(SCENE, ["shape.side=9", "colour=blue", "limit=null", "is_bright=true"])
    assert changed == replace(
        SCENE,
        shape=Square(side=9, size=Size(4, 5)),
        colour="blue",
        limit=None,
        is_bright=True,
    )


def test_a_whole_group_is_overridden_by_another_class():
    assert override(SCENE, ['shape={"type": "Round", "radius": 3}']).shape == Round(radius=3.0)


def test_a_connector_is_exchanged_in_an_architecture():
    architecture = find_architecture("llava_1_5_debug")
    assert architecture.model.connector == MLPConfig()
    changed = override(architecture, ['model.connector={"type": "LinearConfig"}'])
    assert changed.model.connector == LinearConfig()
    assert isinstance(changed, Architecture)
    assert changed.model.vision == architecture.model.vision


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("shape.side", "'shape.side' is no override; write key=value"),
        ("shape.sid=3", r"Scene.shape has no key 'sid'; did you mean side or size\?"),
        ("form.side=3", "Scene has no group 'form'"),
        ("name.length=3", "Scene has no group 'name'"),
        ("shape.side=three", "Scene.shape.side must be int, got 'three'"),
    ],
)
def test_an_impossible_override_is_refused(assignment, message):
    with pytest.raises(ConfigError, match=message):
        override(SCENE, [assignment])


def test_validation_of_the_config_itself_still_speaks():
    with pytest.raises(ConfigError, match="4 query heads do not share 3 key heads"):
        override(find_architecture("llava_debug"), ["model.language.num_kv_heads=3"])
