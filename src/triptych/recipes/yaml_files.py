"""YAML as recipes are written in: numbers are numbers, nothing is said twice, no code is run.

learning_rates: {connector: 1e-3}      a number, although YAML 1.1 has it as a text
flip: no                               a text, although YAML 1.1 has it as false
epochs: 1 ... epochs: 2                refused
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import yaml

from triptych.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers and truth values of version 1.2, and no key twice."""

    yaml_implicit_resolvers: ClassVar = {
        first: [pair for pair in pairs if not pair[0].endswith((":bool", ":float", ":timestamp"))]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping whose keys all differ."""
        keys: set[Hashable] = set()
        for key_node, _ in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *name`, which own keys override
                continue
            key: Hashable = cast(Any, self).construct_object(key_node, deep=True)
            if key in keys:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands here for the second time",
                    problem_mark=key_node.start_mark,
                )
            keys.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"true|false|True|False"), list("tfTF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?$"),
    list("-+0123456789."),
)


def read_yaml(text: str, where: str) -> Mapping[str, Any]:
    """A YAML text that holds a group of keys; `where` is what it is called in errors.

    Raises:
        ConfigError: it is no YAML, or holds something else.
    """
    try:
        plain = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: {error.problem or error}; mend the YAML") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is no YAML: {error}") from error
    if not isinstance(plain, Mapping):
        raise ConfigError(f"{where} must be a group of keys, got {plain!r}")
    return cast(Mapping[str, Any], plain)


def read_yaml_file(path: Path) -> Mapping[str, Any]:
    """The same of a file.

    Raises:
        ConfigError: there is no such file, or as `read_yaml`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8; save it so") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return read_yaml(text, str(path))


def write_yaml(plain: Mapping[str, Any]) -> str:
    """Plain values as YAML that `read_yaml` reads back, keys in their order."""
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
