"""Settings of published files, read strictly: what a model would compute otherwise is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from triptych.errors import ConfigError


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

    def number(self, key: str) -> float:
        """A number above zero.

        Raises:
            ConfigError: it is missing or something else.
        """
        value = self._given(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigError(f"{self._of(key)} is {value!r}; a number above 0 is needed")
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
