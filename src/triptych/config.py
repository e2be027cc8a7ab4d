"""Configurations as files: one strict reader and its inverse for every config class.

A config is a tree of frozen dataclasses. In a file it is a tree of mappings; where a field may
hold one of several config classes, the mapping names its class under the key `type`. Nothing is
looked up by import path: the field's own type annotation is the closed list of what may stand
there. An unknown key or class is an error that names it and the nearest match.
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import (
    Any,
    Literal,
    TypeAlias,
    TypeGuard,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from triptych.errors import ConfigError, nearest

Config = TypeVar("Config")


def to_dict(config: object) -> dict[str, Any]:
    """The config as plain mappings, lists and scalars, each mapping naming its class."""
    if not _is_config(config):
        raise ConfigError(f"{type(config).__name__} is not a configuration")
    plain: dict[str, Any] = {"type": type(config).__name__}
    for field in dataclasses.fields(cast(Any, config)):
        plain[field.name] = _plain(getattr(config, field.name))
    return plain


def from_dict(config_class: type[Config], plain: Mapping[str, Any], where: str = "") -> Config:
    """Build `config_class` from plain mappings.

    Raises:
        ConfigError: a key that does not exist, a missing key, a value of the wrong type, or a
            class that may not stand there; the message names it and the nearest match.
    """
    where = where or config_class.__name__
    hints = get_type_hints(config_class)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, config_class))}
    given = {key: value for key, value in plain.items() if key != "type"}
    for key in given:
        if key not in fields:
            raise ConfigError(f"{where} has no key {key!r}; {nearest(key, fields)}")
    for name, field in fields.items():
        no_default = field.default is dataclasses.MISSING
        if name not in given and no_default and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where} needs the key {name!r}")
    values = {
        key: _read(hints[key], _of_default_type(value, fields[key]), f"{where}.{key}")
        for key, value in given.items()
    }
    return config_class(**values)


def _of_default_type(value: object, field: dataclasses.Field[Any]) -> object:
    """A group of keys that names no type is of the type that stands there by default."""
    if _is_mapping(value) and "type" not in value and _is_config(field.default):
        return {**value, "type": type(field.default).__name__}
    return value


_Group: TypeAlias = dict[str, Any] | list[Any]
"""Of a config as plain values: what has keys, or entries."""


def override(config: Config, assignments: Sequence[str]) -> Config:
    """The config with `key.subkey=value` assignments applied; values are read as JSON or text.

    An entry of a list is named by its number, 0 the first, or by what it has as its `name`; `*`
    names all of them.
    """
    import json

    plain = to_dict(config)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"{assignment!r} is no override; write key=value")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        _assign(plain, path.split("."), value, type(config).__name__)
    return from_dict(type(config), plain)


def _assign(group: _Group, path: Sequence[str], value: object, where: str) -> None:
    key, *rest = path
    entries = _entries(group)
    if not rest:
        if key not in entries or not isinstance(group, dict):
            raise ConfigError(f"{where} has no key {key!r}; {nearest(key, entries)}")
        group[key] = value
        return
    groups: dict[str, _Group] = {
        name: each for name, each in entries.items() if isinstance(each, dict | list)
    }
    names = [str(index) for index, _ in enumerate(group)]
    for name in names if key == "*" and isinstance(group, list) else [key]:
        if name not in groups:
            raise ConfigError(f"{where} has no group {name!r}; {nearest(name, groups)}")
        _assign(groups[name], rest, value, f"{where}.{name}")


def _entries(group: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """What may be named in a group of keys, or in a list."""
    if isinstance(group, dict):
        return group
    named = {str(index): each for index, each in enumerate(group)}
    own = [cast(dict[str, Any], each) for each in group if isinstance(each, dict)]
    return named | {each["name"]: each for each in own if isinstance(each.get("name"), str)}


def _is_config(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _plain(value: object) -> object:
    if _is_config(value):
        return to_dict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in cast(tuple[object, ...], value)]
    return value


def _read(hint: Any, value: object, where: str) -> object:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(hint), value, where)
    if origin is Literal:
        if value not in get_args(hint):
            raise ConfigError(f"{where} is {value!r}; known: {', '.join(map(str, get_args(hint)))}")
        return value
    if origin is tuple:
        return _read_tuple(get_args(hint), value, where)
    if dataclasses.is_dataclass(hint):
        return _read_config((cast(type, hint),), value, where)
    if hasattr(hint, "_fields"):  # a NamedTuple
        return hint(*_read_tuple(tuple(get_type_hints(hint).values()), value, where))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} must be {hint.__name__}, got {value!r}")
    return value


def _read_union(choices: tuple[Any, ...], value: object, where: str) -> object:
    if value is None and type(None) in choices:
        return None
    if _is_mapping(value):
        return _read_config(tuple(c for c in choices if dataclasses.is_dataclass(c)), value, where)
    errors: list[str] = []
    for choice in choices:
        if choice is not type(None) and not dataclasses.is_dataclass(choice):
            try:
                return _read(choice, value, where)
            except ConfigError as error:
                errors.append(str(error))
    raise ConfigError(errors[0] if errors else f"{where} must be a group of keys, got {value!r}")


def _read_tuple(items: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"{where} must be a list, got {value!r}")
    values = list(cast(Sequence[object], value))
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(values)
    if len(items) != len(values):
        raise ConfigError(f"{where} must have {len(items)} entries, got {len(values)}")
    pairs = zip(items, values, strict=True)
    return tuple(_read(item, each, f"{where}[{i}]") for i, (item, each) in enumerate(pairs))


def _read_config(choices: tuple[Any, ...], value: object, where: str) -> object:
    if not _is_mapping(value):
        raise ConfigError(f"{where} must be a group of keys, got {value!r}")
    by_name = {choice.__name__: choice for choice in choices}
    if not by_name:
        raise ConfigError(f"{where} takes a plain value, got a group of keys")
    name = value.get("type", next(iter(by_name)) if len(by_name) == 1 else None)
    if name is None:
        raise ConfigError(f"{where} needs the key 'type', one of {', '.join(sorted(by_name))}")
    if name not in by_name:
        raise ConfigError(f"{where} cannot be a {name!r}; {nearest(str(name), by_name)}")
    return from_dict(by_name[str(name)], value, where)


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)
