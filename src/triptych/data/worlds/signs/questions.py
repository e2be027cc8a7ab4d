"""What is asked about signs, and in which words."""

from collections.abc import Sequence
from random import Random

from triptych.data.worlds import more_ways
from triptych.data.worlds.asking import Asking, counts, says
from triptych.data.worlds.question import Boxes, BoxPart
from triptych.data.worlds.signs.boards import Sign
from triptych.data.worlds.signs.words import absent_text
from triptych.data.worlds.wording import Phrases, with_more

PHRASES: dict[str, Phrases] = with_more(
    {
        "signs/read": Phrases(
            seen=(
                "What does the sign say?",
                "What is written on the sign?",
                "Read the sign.",
                "Read out the text on the sign.",
                "Which text is on the sign?",
                "What can be read on the sign?",
                "What's on the sign?",
                "Transcribe the sign.",
                "Please read the sign to me.",
                "Tell me what the sign says.",
                "What are the characters on the sign?",
                "The sign says what?",
                "Copy the text of the sign exactly.",
            ),
            unseen=(
                "What text does the sign show?",
                "Could you tell me what is written on this sign?",
                "Write down what you read on the sign.",
                "What message does the sign bear?",
            ),
        ),
        "signs/read_one": Phrases(
            seen=(
                "What does the {sign} say?",
                "What is written on the {sign}?",
                "Read the {sign}.",
                "Read out the text on the {sign}.",
                "Which text is on the {sign}?",
                "What can be read on the {sign}?",
                "What's on the {sign}?",
                "Transcribe the {sign}.",
                "Please read the {sign} to me.",
                "Tell me what the {sign} says.",
                "There is a {sign}; what does it say?",
                "Of all the signs, read only the {sign}.",
                "Copy the text of the {sign} exactly.",
            ),
            unseen=(
                "What text does the {sign} show?",
                "Could you tell me what is written on the {sign}?",
                "Look at the {sign} and write down what you read.",
                "What message does the {sign} bear?",
            ),
        ),
        "signs/where": Phrases(
            seen=(
                'Where is the sign that says "{text}"?',
                'Locate the sign that says "{text}".',
                'Find the sign that reads "{text}".',
                'Draw a box around the sign saying "{text}".',
                'Give the bounding box of the "{text}" sign.',
                'Show me the sign with "{text}" on it.',
                'Where can I find the sign "{text}"?',
                'In which place is "{text}" written?',
                'Mark the sign on which "{text}" is written.',
                'Detect the sign with the text "{text}".',
                'Which region of the picture holds the sign "{text}"?',
                'Box the board that says "{text}".',
            ),
            unseen=(
                'Point out the "{text}" sign with a box.',
                'I am looking for a sign that says "{text}". Where is it?',
                'What is the position of the sign bearing "{text}"?',
                'Outline the sign reading "{text}".',
            ),
        ),
        "signs/existence": Phrases(
            seen=(
                'Does any sign say "{text}"?',
                'Is there a sign that says "{text}"?',
                'Is "{text}" written on a sign?',
                'Can you see a sign saying "{text}"?',
                'Does the text "{text}" appear on a sign?',
                'Do you see "{text}" on any of the signs?',
                'Is one of the signs labelled "{text}"?',
                'Does a sign with "{text}" exist in this picture?',
                'Is a sign reading "{text}" in the picture?',
                'Can "{text}" be read anywhere?',
                'Has any sign got "{text}" on it?',
                '"{text}": is that on a sign here?',
            ),
            unseen=(
                'Would I find "{text}" on a sign in this picture?',
                'Is any board marked "{text}"?',
                'Do any of the signs bear the text "{text}"?',
                'Check whether a sign says "{text}".',
            ),
        ),
        "signs/count": Phrases(
            seen=(
                "How many signs are there?",
                "How many signs do you see?",
                "Count the signs.",
                "What is the number of signs in the picture?",
                "How many boards with writing are there?",
                "How many signs can be seen?",
                "Tell me how many signs there are.",
                "How many signs does the picture show?",
                "Give the number of signs.",
                "Of signs, how many are there?",
                "In this picture, how many signs are there?",
            ),
            unseen=(
                "What's the total number of signs?",
                "Could you count the signs here?",
                "How many signs have been put up?",
            ),
        ),
        "signs/colour": Phrases(
            seen=(
                'What colour is the sign that says "{text}"?',
                'Which colour does the sign "{text}" have?',
                'The sign with "{text}" on it is of which colour?',
                'Tell me the colour of the "{text}" sign.',
                'On what colour is "{text}" written?',
                'Name the colour of the sign reading "{text}".',
                'In which colour is the board that says "{text}"?',
                'What is the colour of the sign saying "{text}"?',
                '"{text}" is written on a board of what colour?',
                'What colour has the "{text}" board?',
                'Look for "{text}". What colour is that sign?',
            ),
            unseen=(
                'Which colour was the "{text}" sign painted?',
                'What is the background colour behind the text "{text}"?',
                'Say what colour the sign bearing "{text}" is.',
            ),
        ),
    },
    more_ways.SIGNS,
)
"""The question about the colour of a board is there because boards change theirs."""

MIN_APART = 18
"""Pixels by which one centre must lie beyond all others to be called the one on that side."""


def pointers(sign: Sign, signs: Sequence[Sign]) -> list[str]:
    """Phrases that mean this sign among the others: `blue sign`, `sign on the left`."""
    others = [other for other in signs if other is not sign]
    said: list[str] = []
    if all(other.colour != sign.colour for other in others):
        said.append(f"{sign.colour} sign")
    sides = {
        "on the left": [other.x - sign.x for other in others],
        "on the right": [sign.x - other.x for other in others],
        "at the top": [other.y - sign.y for other in others],
        "at the bottom": [sign.y - other.y for other in others],
    }
    return said + [
        f"sign {side}" for side, gaps in sides.items() if min(gaps, default=0) >= MIN_APART
    ]


def facts_about(sign: Sign) -> dict[str, str | int]:
    """What evaluation selects questions by."""
    return {"length": len(sign.text), "height": sign.text_height, "text_kind": sign.text_kind}


def all_askings(signs: Sequence[Sign]) -> list[Asking]:
    """Everything that can be asked of these signs, but for texts that may be absent."""
    askings = [counts("signs/count", {}, len(signs), tags={"count": len(signs)})]
    if len(signs) == 1:
        askings.append(says("signs/read", {}, signs[0].text, tags=facts_about(signs[0])))
    for sign in signs:
        askings += [*readings(sign, signs), where(sign), colour_of(sign)]
    return askings


def readings(sign: Sign, signs: Sequence[Sign]) -> list[Asking]:
    """What this one of several signs says, by every way to point it out."""
    if len(signs) == 1:
        return []
    return [
        says("signs/read_one", {"sign": pointer}, sign.text, tags=facts_about(sign))
        for pointer in pointers(sign, signs)
    ]


def where(sign: Sign) -> Asking:
    """Which box the sign with this text has."""
    return Asking(
        kind="signs/where",
        slots={"text": sign.text},
        answer=(BoxPart(sign.box, sign.text),),
        truth=Boxes(((sign.text, sign.box),)),
        tags=facts_about(sign),
    )


def colour_of(sign: Sign) -> Asking:
    """Which colour the board with this text has."""
    return says("signs/colour", {"text": sign.text}, sign.colour, tags=facts_about(sign))


def present(sign: Sign) -> Asking:
    """Whether a sign has this text: yes."""
    return says("signs/existence", {"text": sign.text}, "yes", tags=facts_about(sign))


def absent(sign: Sign, text: str, likeness: str) -> Asking:
    """Whether a sign has a text that is like this sign's but is not there: no."""
    tags = facts_about(sign) | {"length": len(text), "negative": likeness}
    return says("signs/existence", {"text": text}, "no", tags=tags)


def some_absent(sign: Sign, signs: Sequence[Sign], tested: bool, rng: Random) -> Asking:
    """A question about a text that none of the signs shows."""
    shown = [other.text for other in signs]
    return absent(sign, *absent_text(sign.text, sign.text_kind, shown, tested, rng))
