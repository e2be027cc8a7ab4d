"""Settings of published files, read strictly: what a model would compute otherwise is refused.

What a file cannot say is found by reading back what was written, see `check_equal`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard, cast

from triptych.config import to_dict
from triptych.connector import MLPConfig
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLMConfig
from triptych.nn.mlp import Activation
from triptych.vision import ViTConfig

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "squared_relu",
    "silu": "silu",
}
"""Published names of activations, and ours."""


@dataclass(frozen=True, slots=True)
class Section:
    """One group of settings, and where it stands."""

    where: str
    """For messages: the file, and the group in it."""

    values: Mapping[str, Any]

    def count(self, key: str) -> int:
        """A whole number of at least one.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if not _is_whole(value) or value < 1:
            raise ConfigError(f"{self._of(key)} is {value!r}; a whole number above 0 is needed")
        return value

    def whole(self, key: str) -> int:
        """A whole number of any sign.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if not _is_whole(value):
            raise ConfigError(f"{self._of(key)} is {value!r}; a whole number is needed")
        return value

    def side(self, key: str) -> int:
        """The side of a square, given as one number or as two equal ones.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        sides = cast(list[Any], value) if isinstance(value, list | tuple) else [value]
        if not _is_whole(sides[0]) or sides[0] < 1 or sides != sides[:1] * len(sides):
            raise ConfigError(f"{self._of(key)} is {value!r}; the side of a square is needed")
        return sides[0]

    def flag(self, key: str) -> bool:
        """True or false.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if not isinstance(value, bool):
            raise ConfigError(f"{self._of(key)} is {value!r}; true or false is needed")
        return value

    def word(self, key: str) -> str:
        """A name.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if not isinstance(value, str):
            raise ConfigError(f"{self._of(key)} is {value!r}; a name is needed")
        return value

    def number(self, key: str) -> float:
        """A number above zero.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(f"{self._of(key)} is {value!r}; a number above 0 is needed")
        return float(value)

    def share(self, key: str) -> float:
        """A number of at least zero and below one.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise ConfigError(f"{self._of(key)} is {value!r}; a number from 0 to 1 is needed")
        return float(value)

    def numbers(self, key: str) -> tuple[float, float, float]:
        """Three numbers, one a colour.

        Raises:
            ConfigError: it is missing or something else.
        """
        red, green, blue = self._three(key, int | float)
        return float(red), float(green), float(blue)

    def counts(self, key: str) -> tuple[int, int, int]:
        """Three whole numbers, one an axis.

        Raises:
            ConfigError: it is missing or something else.
        """
        time, row, col = self._three(key, int)
        return time, row, col

    def ids(self, key: str) -> list[int]:
        """Token ids, given as one or as a list.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        ids = cast(list[Any], value if isinstance(value, list) else [value])
        if not ids or not all(_is_whole(each) and each >= 0 for each in ids):
            raise ConfigError(f"{self._of(key)} is {value!r}; token ids are needed")
        return ids

    def over(self, **defaults: object) -> "Section":
        """The same group, with values for settings that it leaves out."""
        given = {
            key: value
            for key, value in self.values.items()
            if value is not None or key not in defaults
        }
        return Section(self.where, {**defaults, **given})

    def section(self, key: str) -> "Section":
        """A group inside this one; empty where there is none.

        Raises:
            ConfigError: it is no group.
        """
        value: object = self.values.get(key) or {}
        if not isinstance(value, Mapping):
            raise ConfigError(f"{self._of(key)} is {value!r}; a group of settings is needed")
        return Section(f"{self.where}: {key}", cast(Mapping[str, Any], value))

    def require(self, **supported: object) -> None:
        """Refuse settings that have another value than the one supported; they may be left out.

        Raises:
            ConfigError: names the first such key and its value.
        """
        for key, value in supported.items():
            self.one_of(key, value)

    def one_of(self, key: str, *supported: object) -> None:
        """Refuse a setting that has none of the supported values; it may be left out.

        Raises:
            ConfigError: names the key and its value.
        """
        given = self.values.get(key)
        if given is not None and given not in supported:
            known = " or ".join(map(repr, supported))
            raise ConfigError(
                f"{self._of(key)} is {given!r}; supported: {known or 'only leaving it out'}"
            )

    def _three(self, key: str, kind: Any) -> list[Any]:
        value = self._given(key)
        values = cast(list[Any], value if isinstance(value, list | tuple) else [])
        if len(values) != 3 or not all(isinstance(each, kind) for each in values):
            raise ConfigError(f"{self._of(key)} is {value!r}; a list of three numbers is needed")
        return values

    def _given(self, key: str) -> Any:
        if self.values.get(key) is None:
            raise ConfigError(f"{self.where} lacks the key {key!r}; is the file complete?")
        return self.values[key]

    def _of(self, key: str) -> str:
        return f"{self.where}: {key}"


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def read_activation(section: Section, key: str) -> Activation:
    """An activation, in our words.

    Raises:
        ConfigError: it is missing or not known.
    """
    section.one_of(key, *_ACTIVATIONS)
    return _ACTIVATIONS[section.word(key)]


def published_activation(name: Activation) -> str:
    """An activation in the words of published files."""
    return next(theirs for theirs, ours in _ACTIVATIONS.items() if ours == name)


def as_run(model: VLMConfig) -> VLMConfig:
    """The same model in the words that reading uses, and without what concerns training alone."""
    vision, language, connector = model.vision, model.language, model.connector
    assert isinstance(vision, ViTConfig)
    key_bias = None if vision.key_bias == vision.qkv_bias else vision.key_bias
    is_equal_share = language.head_dim == language.dim / language.num_heads
    head_dim = None if is_equal_share else language.head_dim
    if isinstance(connector, MLPConfig):
        connector = replace(connector, dropout=0.0)
    return replace(
        model,
        vision=replace(vision, dropout=0.0, key_bias=key_bias),
        connector=connector,
        language=replace(language, dropout=0.0, head_dim=head_dim),
    )


def check_equal(system: str, name: str, ours: object, read_back: object) -> None:
    """Refuse a configuration that published files would bring back as another.

    Raises:
        ConfigError: names the first setting that differs, and both values.
    """
    told, found = (dict(_leaves(name, to_dict(each))) for each in (ours, read_back))
    for key, value in told.items():
        if found.get(key) != value:
            raise ConfigError(
                f"the published layout of {system} cannot say {key} = {value!r}; it would come "
                f"back as {found.get(key)!r}"
            )


def _leaves(name: str, plain: object) -> list[tuple[str, object]]:
    if not isinstance(plain, dict):
        return [(name, plain)]
    items = cast(dict[str, object], plain).items()
    return [leaf for key, value in items for leaf in _leaves(f"{name}.{key}", value)]
