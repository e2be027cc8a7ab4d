"""Rules decide exactly, and say why."""

import pytest

from triptych.data.filters import FilterConfig, script_of
from triptych.data.sources import Conversation
from triptych.errors import ConfigError


def said(question: str, answer: str = "yes", label: str = "") -> Conversation:
    box = {"type": "box", "box": [0, 0, 1, 1], "label": label}
    content = [{"type": "text", "text": question}, box]
    messages = {"role": "user", "content": content}, {"role": "assistant", "content": answer}
    return Conversation("7", messages)


def reason(rules: FilterConfig, conversation: Conversation | None = None, **measured: object):
    sizes = measured.get("sizes", [(100, 200)])
    found = rules.excludes(conversation or said("hi"), sizes, measured.get("num_tokens", 50))
    return None if found is None else found.reason


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (FilterConfig(), None),
        (FilterConfig(min_side=100, max_side=200, max_aspect=2.0, max_tokens=50), None),
        (FilterConfig(min_side=101), "picture too small"),
        (FilterConfig(max_side=199), "picture too large"),
        (FilterConfig(max_aspect=1.99), "picture too elongated"),
        (FilterConfig(max_tokens=49), "too long"),
    ],
)
def test_a_bound_itself_is_allowed_and_what_lies_beyond_is_not(rules: FilterConfig, expected: str):
    assert reason(rules) == expected


def test_every_picture_is_looked_at():
    assert reason(FilterConfig(min_side=20), sizes=[(100, 200), (10, 300)]) == "picture too small"
    assert reason(FilterConfig(min_side=20), sizes=[]) is None


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "latin"),
        ("é", "latin"),
        ("Ω", "greek"),
        ("ж", "cyrillic"),
        ("漢", "han"),
        ("々", ""),
        ("あ", "hiragana"),
        ("ー", ""),
        ("ｱ", "katakana"),
        ("한", "hangul"),
        ("ع", "arabic"),
        ("অ", "bengali"),
        ("\u13a0", "other"),  # a Cherokee letter
        ("7", ""),
        ("√", ""),
        ("µ", ""),
        ("\u0301", ""),
        ("\n", ""),
    ],
)
def test_a_letter_has_the_script_of_its_unicode_name(character: str, script: str):
    assert script_of(character) == script


def test_letters_of_all_that_is_said_are_looked_at():
    latin = FilterConfig(scripts=("latin",))
    assert reason(latin, said("What does 7 \u00d7 8 make?", "56, naïvely…")) is None
    assert reason(latin, said("что это?")) == "another script"
    assert reason(latin, said("what?", "猫")) == "another script"
    assert reason(latin, said("where?", label="кот")) == "another script"
    other = Conversation("8", said("hi").messages, others=(said("что?").messages,))
    assert reason(latin, other) == "another script"
    assert reason(FilterConfig(scripts=("latin", "cyrillic")), other) is None


def test_the_letter_is_named():
    found = FilterConfig(scripts=("latin",)).excludes(said("it is Ω"), [], 1)
    assert found is not None
    assert found.detail == "'Ω' is GREEK CAPITAL LETTER OMEGA"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_side": -1}, "min_side must be at least 0"),
        ({"max_aspect": 0.5}, "max_aspect must be at least 1"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        FilterConfig(**fields)
