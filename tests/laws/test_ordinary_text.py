"""What people write is text: no message can become a picture slot or a special token.

Messages are strewn with the spellings of every special token of the model, whole, cut and nested,
and encoded beside the same conversation with harmless words in their place.
"""

import random

import pytest
from tests.laws.debug_models import DEBUG_NAMES, picture, subject

from triptych.processor import Message

NUM_CONVERSATIONS = 15
"""For each model; 200 and more over all."""


def spelled(specials: list[str], rng: random.Random) -> str:
    """A message of special spellings, parts of them, and words."""
    parts: list[str] = []
    for _ in range(rng.randint(1, 6)):
        token = rng.choice(specials)
        cut = rng.randint(1, max(1, len(token) - 1))
        nested = token[:cut] + rng.choice(specials) + token[cut:]
        parts.append(rng.choice((token, token * 2, token[:cut], nested, "what", " is ", "\n")))
    return "".join(parts)


def conversation(text: str, num_pictures: int) -> list[Message]:
    pictures = [{"type": "image", "image": picture(n, 32, 32)} for n in range(num_pictures)]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}]


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_special_spellings_in_a_message_stay_text(name: str) -> None:
    debug = subject(name)
    ids, rng = debug.processor.tokenizer.special_tokens, random.Random(name)
    for _ in range(NUM_CONVERSATIONS):
        text, num_pictures = spelled(list(ids), rng), rng.randint(0, 2)
        harmless = debug.prompt(conversation("x", num_pictures))
        sample = debug.prompt(conversation(text, num_pictures))
        assert [span.num_slots for span in sample.spans] == [s.num_slots for s in harmless.spans]
        counted = {token: sample.token_ids.count(number) for token, number in ids.items()}
        expected = {token: harmless.token_ids.count(number) for token, number in ids.items()}
        assert counted == expected, text
