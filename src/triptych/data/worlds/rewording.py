"""Ways of asking that are spread out, so that training meets thousands of wordings.

    [Tell me|Say] [which|what] colour the {thing} [is|has].      eight wordings in one line

A small model that learns every word from these questions alone learns a dozen wordings by heart and
is lost at the next. What a person adds (a greeting, "please", a missing question mark) is added in
training, too. Wordings that are held out are never among them, see the tests.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from random import Random

Ways = Mapping[str, tuple[str, ...]]
"""Ways of asking by kind of question."""

_CHOICE = re.compile(r"\[([^\[\]]*)\]")

OPENINGS = (
    *("Please:", "Hello!", "Hi,", "Hey,", "Hello, a question:", "One question:", "Next question:"),
    *("Now:", "OK,", "Well,", "So,", "And:", "Then:", "Also:", "Quickly:", "Once more:"),
    *("Look closely.", "Look at the picture.", "Look at this image.", "Look again.", "Look here:"),
    *("Have a look.", "Take a good look.", "Study the picture carefully.", "See the image."),
    *(
        "Here is a picture.",
        "This is an image.",
        "I have a question about this picture.",
        "Help me:",
    ),
    *(
        "I need help with this.",
        "You are an assistant who can see.",
        "Answer briefly.",
        "Be exact.",
    ),
    *(
        "Answer the question.",
        "From what you see:",
        "Going by the picture:",
        "As far as you can see:",
    ),
    *("Think first.", "Judge for yourself:", "My friend asks:", "Somebody wants to know:"),
    *("The user asks:", "Question:", "Q:", "Task:", "Your task:", "Instruction:", "Request:"),
    *("Without guessing:", "If you can:", "In short:", "To begin with:", "Last one:", "Sorry,"),
)
"""What may stand in front of a question."""

CLOSINGS = (
    *("Please.", "Thanks!", "Thank you.", "Thanks in advance.", "Answer briefly.", "Be brief."),
    *(
        "Just the answer.",
        "Only the answer, please.",
        "No explanation.",
        "Keep it short.",
        "Be exact.",
    ),
    *(
        "Look carefully.",
        "Take your time.",
        "I cannot tell.",
        "I can't make it out.",
        "You can see it.",
    ),
    *("That is all I need.", "I would like to be sure.", "It is for a test.", "What do you think?"),
    *("Don't guess.", "Go.", "Over to you.", "Your answer?", "Answer:", "A:", "OK?", "Cheers."),
)
"""What may stand behind it."""

ASK = "[Tell me|Say|Let me know|Find out|Report|Determine|Work out|Figure out|Explain]"
COULD = (
    "[Can|Could|Would|Will] you [tell me|say|let me know|find out|make out|see|tell|explain|answer]"
)
WANT = (
    "[I want to know|I'd like to know|I would like to hear|I am asking|I was asked|My question is|"
    "The question is|Do you know|Do you see|I have to find out|We must know|It would help to know|"
    "I forgot|I am curious|I am not sure|Help me see|Have you noticed|Please find out|Please say]"
)
GIVE = "[Give|Name|State|Provide|Report|Return|Output|Write|Mention|Determine|Identify|Read off]"
MUSE = (
    "[I keep asking myself|I ask myself|It is unclear to me|Nobody told me|Guess|No idea|"
    "I would love to know|It would be good to learn|Let us find out|Let us see|Who knows|"
    "Remind me|Teach me|Show me|The point is|It matters|They ask|Just tell me]"
)
HERE = "[| here| in this picture| in the image| in this drawing| in the scene| on it| now]"
COLOUR = "[colour|color]"
END = "[?|.|]"


def asking(*clauses: str) -> tuple[str, ...]:
    """Of clauses like "what colour the {thing} is": said, asked and wanted."""
    return tuple(
        way
        for clause in clauses
        for way in (f"{ASK} {clause}[.|]", f"{COULD} {clause}?", f"{WANT} {clause}{END}")
    )


def asking_for(*things: str) -> tuple[str, ...]:
    """Of what is asked for, like "the colour of the {thing}"."""
    return tuple(
        way
        for thing in things
        for way in (
            f"[What|Which] [is|would be|might be] {thing}{HERE}?",
            f"{GIVE} [me|] {thing}{HERE}[.|, please.]",
            f"[Can|Could|Would] you [give|name|tell me|state|report|read off] {thing}?",
            f"[I need|I want|I would like|We need|Please give|I ask for|Let me have] {thing}[.|]",
        )
    )


def whether(*clauses: str) -> tuple[str, ...]:
    """Of clauses that are true or not, like "there is {a_thing}"."""
    return asking(*(f"[whether|if] {clause}" for clause in clauses)) + tuple(
        f"[Yes or no|True or not|Right or wrong|Correct or not|Answer yes or no|Say yes or no]: "
        f"{clause}[.|?|]"
        for clause in clauses
    )


def musing(*clauses: str) -> tuple[str, ...]:
    """Of clauses like "what colour the {thing} is": said by somebody who does not quite ask."""
    return tuple(f"{MUSE} {clause}{END}" for clause in clauses)


def topic_first(topic: str, short: str) -> tuple[str, ...]:
    """Of a topic and what is asked about it, like "[what colour|which colour is it]"."""
    return (
        f"{topic}: {short}?",
        f"{topic}, {short}?",
        f"[About|Concerning|As to|Regarding|With respect to|When it comes to] {topic}, {short}?",
        f"[Take|Consider|See|Check|Watch|Think of|Turn to] {topic}[.|:|;|,] {short}?",
    )


def two_steps(topic: str, *clauses: str) -> tuple[str, ...]:
    """First to look for a topic, then to say something about it, like "what colour it is"."""
    find = "[Find|Look for|Take|Pick out|Go to|Focus on|Search for|Inspect|Check|Examine]"
    tell = "[tell me|tell|report|answer|write|state|let me know|find out|note down|describe]"
    return tuple(f"{find} {topic} and {tell} {clause}[.|, please.|]" for clause in clauses)


def spread(way: str, rng: Random) -> str:
    """One of the wordings that a way stands for."""
    while (match := _CHOICE.search(way)) is not None:
        way = way[: match.start()] + rng.choice(match[1].split("|")) + way[match.end() :]
    return " ".join(way.split())


def all_of(way: str) -> Iterator[str]:
    """All the wordings that a way stands for; its choices must not hold others."""
    parts = _CHOICE.split(way)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    for chosen in product(*choices):
        yield " ".join("".join(chosen).split())


def plain(wording: str) -> str:
    """What is left of a wording when case, marks and quotes do not count."""
    return " ".join(re.sub(r"[^\w{}/ ]", " ", wording.lower()).split())


def stands_for(way: str) -> re.Pattern[str]:
    """All wordings of a way at once, as `plain` leaves them."""
    parts = _CHOICE.split(way)
    fixed = [re.escape(plain(part)) for part in parts[::2]]
    choices = ["|".join(re.escape(plain(each)) for each in part.split("|")) for part in parts[1::2]]
    chosen = [f"(?:{each})" for each in choices] + [""]
    return re.compile(" *".join(part for pair in zip(fixed, chosen, strict=True) for part in pair))


def as_people_write(question: str, rng: Random, *, begins_with_name: bool = False) -> str:
    """With what people put around a question, and without what they leave out."""
    if rng.random() < 0.12:
        question = question.rstrip("?.!")
    if rng.random() < 0.12 and not begins_with_name:
        question = question[:1].lower() + question[1:]
    if rng.random() < 0.3:
        question = f"{rng.choice(OPENINGS)} {question}"
    if rng.random() < 0.15:
        question = f"{question} {rng.choice(CLOSINGS)}"
    return question
