"""Text as tokens come: complete characters at once, half ones never, whatever the bytes."""

import random

import pytest

from triptych.engines.running import GrowingText


def decode(tokens) -> str:
    """Every token is a byte."""
    return bytes(tokens).decode(errors="replace")


def pushed(data: bytes) -> tuple[list[str], str]:
    text = GrowingText(decode)
    return [text.push(token) for token in data], text.flush()


def test_a_character_is_shown_with_its_last_byte():
    pieces, rest = pushed("aé€😀".encode())
    assert pieces == ["a", "", "é", "", "", "€", "", "", "", "😀"]
    assert rest == ""


def test_what_can_become_no_character_is_not_held_back_for_ever():
    pieces, rest = pushed(b"\xff" * 6)
    assert pieces == ["", "", "", "\ufffd", "\ufffd", "\ufffd"]
    assert rest == "\ufffd" * 3


def test_half_a_character_at_the_end_is_shown_as_such():
    pieces, rest = pushed("a€".encode()[:-1])
    assert ("".join(pieces), rest) == ("a", "\ufffd")


@pytest.mark.parametrize("seed", range(5))
def test_all_pieces_together_are_the_text(seed):
    draw = random.Random(seed)
    text = "".join(draw.choice("aé€😀 ") for _ in range(30)).encode()
    for data in (text, bytes(draw.choice(b"ab\x80\xc3\xe2\xf0\xff") for _ in range(40))):
        pieces, rest = pushed(data)
        assert "".join(pieces) + rest == decode(data)
