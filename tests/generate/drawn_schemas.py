"""JSON schemas drawn at random, over every keyword that is supported."""

from collections.abc import Callable
from random import Random
from typing import Any

KEYS = ("name", "total", "größe", "a b", 'say "x"', "tab\t", "x1", "x2", "_")
PATTERNS = (
    "^[a-c]{1,3}$",
    r"^\d{2}-\d{2}$",
    "[xyz]",
    r"^(cat|dog)s?$",
    r"^\w{2}\s\S$",
    "a/b",
    "^$",
)
FORMATS = ("date", "time", "date-time", "email", "hostname", "ipv4", "ipv6", "uuid", "duration")
VALUES = (None, True, False, 0, -7, 12.5, "", "red", "grün", 'a "b"\n', [], [1, "x"], {"k": None})

Schema = dict[str, Any] | bool


def draw_schema(random: Random) -> dict[str, Any]:
    """One schema, sometimes with definitions that it refers to."""
    drawing = Drawing(random)
    schema = drawing.schema(depth=3)
    if isinstance(schema, bool):
        schema = {}
    if drawing.is_referred:
        schema["$defs"] = {"leaf": drawing.leaf(), "tree": TREE}
    return {**schema, "title": "drawn"} if random.random() < 0.2 else schema


TREE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer", "minimum": 0, "maximum": 9},
        "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2},
    },
    "required": ["value"],
    "additionalProperties": False,
}


class Drawing:
    """One schema in the making."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.is_referred = False

    def schema(self, depth: int) -> Schema:
        inner: list[Callable[[int], Schema]] = [self.object, self.array, self.cases, self.both]
        outer: list[Callable[[], Schema]] = [self.leaf, self.leaf, self.reference]
        if depth and self.random.random() < 0.6:
            return self.random.choice(inner)(depth - 1)
        return self.random.choice(outer)()

    def leaf(self) -> dict[str, Any]:
        kinds = (self.string, self.string, self.integer, self.number, self.values, self.kinds)
        return self.random.choice(kinds)()

    def object(self, depth: int) -> dict[str, Any]:
        keys = self.random.sample(KEYS, self.random.randint(0, 4))
        required = [key for key in keys if self.random.random() < 0.6]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {key: self.schema(depth) for key in keys},
            "required": required,
        }
        additional = self.random.choice(("none", "none", "some", "named", "counted"))
        if additional == "none":
            schema["additionalProperties"] = False
        elif additional == "some":
            schema["additionalProperties"] = self.leaf()
        elif additional == "named":
            schema["patternProperties"] = {"^z[0-9]$": self.leaf()}
            schema["additionalProperties"] = False
        else:
            schema["required"] = keys
            schema["additionalProperties"] = {"type": "null"}
            schema["maxProperties"] = len(keys) + 1
        return schema

    def array(self, depth: int) -> dict[str, Any]:
        least = self.random.randint(0, 2)
        schema: dict[str, Any] = {"type": "array", "minItems": least}
        schema["maxItems"] = least + self.random.randint(0, 2)
        if self.random.random() < 0.7:
            schema["items"] = self.schema(depth)
        else:
            schema["prefixItems"] = [self.leaf() for _ in range(self.random.randint(1, 3))]
            schema["items"] = self.leaf()
        return schema

    def cases(self, depth: int) -> dict[str, Any]:
        if self.random.random() < 0.3:
            return {"oneOf": [self.string(), self.integer(), {"type": "null"}]}
        return {"anyOf": [self.schema(depth) for _ in range(self.random.randint(1, 3))]}

    def both(self, depth: int) -> dict[str, Any]:
        first, second = self.random.sample(KEYS, 2)
        one = {"type": "object", "properties": {first: self.schema(depth)}, "required": [first]}
        return {"allOf": [one, {"properties": {second: self.leaf()}, "required": [second]}]}

    def reference(self) -> dict[str, Any]:
        self.is_referred = True
        return {"$ref": self.random.choice(("#/$defs/leaf", "#/$defs/tree"))}

    def string(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        kind = self.random.choice(("length", "length", "pattern", "format", "both"))
        if kind == "pattern":
            schema["pattern"] = self.random.choice(PATTERNS)
        elif kind == "format":
            schema["format"] = self.random.choice(FORMATS)
        elif kind == "both":
            schema |= {"pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4}
        else:
            schema["minLength"] = self.random.randint(0, 3)
            schema["maxLength"] = schema["minLength"] + self.random.randint(0, 8)
        return schema

    def integer(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "integer"}
        low = self.random.randint(-200, 200)
        if self.random.random() < 0.8:
            schema[self.random.choice(("minimum", "exclusiveMinimum"))] = low
        if self.random.random() < 0.8:
            schema[self.random.choice(("maximum", "exclusiveMaximum"))] = low + 60
        if self.random.random() < 0.3:
            schema["multipleOf"] = self.random.choice((2, 5, 7))
        return schema

    def number(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "number"}
        low = self.random.randint(-400, 400) / 4
        if self.random.random() < 0.8:
            schema[self.random.choice(("minimum", "exclusiveMinimum"))] = low
        if self.random.random() < 0.8:
            schema[self.random.choice(("maximum", "exclusiveMaximum"))] = low + 2.5
        if self.random.random() < 0.2:
            schema["multipleOf"] = 0.25
        return schema

    def values(self) -> dict[str, Any]:
        if self.random.random() < 0.3:
            return {"const": self.random.choice(VALUES)}
        return {"enum": self.random.sample(VALUES, self.random.randint(1, 4))}

    def kinds(self) -> dict[str, Any]:
        plain = ("boolean", "null", "integer")
        kinds = self.random.sample(plain, self.random.randint(1, 2))
        return {"type": kinds if len(kinds) > 1 else kinds[0]}
