"""What can be asked about a window, and the true answer to it.

An inquiry is a question without its words. Inquiries do not depend on where things stand, so the
same one can be put to a window and to its twin.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from triptych.data.worlds.question import (
    AnswerPart,
    Number,
    Places,
    PointPart,
    Question,
    Structure,
    Truth,
    Words,
)
from triptych.data.worlds.screens.window import Spot, Widget, Window, layout
from triptych.data.worlds.screens.wording import PHRASES
from triptych.data.worlds.wording import Split, word
from triptych.geometry import Box, Point, Polygon, inside

WHAT = {"button": "button", "checkbox": "checkbox", "field": "text field", "tabs": "tab"}
"""Kinds whose existence is asked about, and what people call them."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked."""

    topic: str
    """Key of the wordings; its first word is the kind."""
    name: str = ""
    """What it is about: a widget, an option, or the button of an action."""
    other: str = ""
    """For an action, what must hold before; for existence, the kind of widget."""
    goal: str | bool = ""
    """What a field shall say, whether a box shall be ticked."""

    @property
    def kind(self) -> str:
        return f"screens/{self.topic.split()[0]}"


def clicks(window: Window) -> list[Inquiry]:
    """Every place to press, but for sliders, which are dragged."""
    return [
        Inquiry(f"click {spot.widget.kind}", spot.name)
        for spot in layout(window)
        if spot.widget.kind != "slider"
    ]


def states(window: Window) -> list[Inquiry]:
    """The state of every widget; of a button, asked either way."""
    found: list[Inquiry] = []
    for widget in window.widgets:
        asked = ("greyed", "usable") if widget.kind == "button" else (widget.kind,)
        found += [Inquiry(f"state {each}", widget.name) for each in asked]
    return found


def presences(window: Window) -> list[Inquiry]:
    """Whether there is what there is."""
    return [
        Inquiry("existence", name, widget.kind)
        for widget in window.widgets
        if widget.kind in WHAT
        for name in (widget.options or (widget.name,))
    ]


def actions(window: Window, texts: Mapping[str, Sequence[str]]) -> list[Inquiry]:
    """Steps, and goals whose next step depends on what has been done.

    `texts` are what may be typed into each field, by its name.
    """
    buttons = [button.name for button in window.buttons if button.state]
    found = [Inquiry("action press", name) for name in buttons]
    for widget in window.body:
        if widget.kind == "checkbox":
            found.append(Inquiry("action toggle", widget.name, goal=not widget.state))
            found += _conditional("action ensure", buttons, widget.name, (True, False))
        elif widget.kind == "field":
            new = [text for text in texts.get(widget.name, ()) if text != widget.state]
            found += [Inquiry("action type", widget.name, goal=text) for text in new]
            # Never about an empty field, whose goals would more often be open than reached.
            goals = (*new, str(widget.state)) if widget.state else ()
            found += _conditional("action fill", buttons, widget.name, goals)
    return found


def _conditional(
    topic: str, buttons: Sequence[str], name: str, goals: Sequence[str | bool]
) -> list[Inquiry]:
    return [Inquiry(topic, button, name, goal) for button in buttons for goal in goals]


def question(inquiry: Inquiry, window: Window, rng: Random, split: Split) -> Question | None:
    """The question in words with its answer; None where it makes no sense for this window."""
    answered = answer(inquiry, window)
    if answered is None:
        return None
    parts, truth, tags = answered
    slots: dict[str, object] = {
        "name": inquiry.name,
        "lower": inquiry.name[:1].lower() + inquiry.name[1:],
        "other": inquiry.other,
        "what": WHAT.get(inquiry.other, ""),
        "text": inquiry.goal,
        "way": "on" if inquiry.goal else "off",
    }
    text = word(PHRASES, inquiry.topic, rng, split, **slots)
    about = {"about": inquiry.topic.split()[-1]}
    return Question(kind=inquiry.kind, text=text, answer=parts, truth=truth, tags={**about, **tags})


Answered = tuple[tuple[AnswerPart, ...], Truth, dict[str, Any]]


def answer(inquiry: Inquiry, window: Window) -> Answered | None:
    """What to answer, what counts as right, and facts to select by."""
    match inquiry.kind:
        case "screens/click":
            return _where(inquiry.name, window)
        case "screens/state":
            widget = find_widget(window, inquiry.name)
            return _state(inquiry.topic, widget) if widget else None
        case "screens/existence":
            present = Inquiry("existence", inquiry.name, inquiry.other) in presences(window)
            return _yes_or_no(present)
        case "screens/read_title":
            return _say(window.title)
        case _:
            return _act(inquiry, window)


def find_widget(window: Window, name: str) -> Widget | None:
    """The widget of that name."""
    return next((each for each in window.widgets if each.name == name), None)


def outline(box: Box) -> Polygon:
    """The corners of a box."""
    return (
        Point(box.left, box.top),
        Point(box.right, box.top),
        Point(box.right, box.bottom),
        Point(box.left, box.bottom),
    )


def _where(name: str, window: Window) -> Answered | None:
    spot: Spot | None = next((each for each in layout(window) if each.name == name), None)
    if spot is None:
        return None
    return (PointPart(spot.box.centre, name),), Places((outline(spot.box),)), {}


def _state(topic: str, widget: Widget) -> Answered:
    match topic:
        case "state checkbox" | "state usable":
            return _yes_or_no(bool(widget.state))
        case "state greyed":
            return _yes_or_no(not widget.state)
        case "state slider":
            return (str(widget.state),), Number(float(widget.state)), {}
        case "state field" if not widget.state:
            return ("nothing",), Words(("nothing", "empty", "it is empty", "no text")), {}
        case _:
            return _say(str(widget.state))


def _act(inquiry: Inquiry, window: Window) -> Answered | None:
    widget = find_widget(window, inquiry.name)
    if widget is None or (widget.kind == "button" and not widget.state):
        return None
    match inquiry.topic:
        case "action press":
            return _call("click", target=inquiry.name)
        case "action type":
            return _call("type", target=inquiry.name, text=inquiry.goal)
        case "action toggle":
            # Asked only where it changes something.
            differs = bool(widget.state) != inquiry.goal
            return _call("toggle", target=inquiry.name, on=inquiry.goal) if differs else None
        case _:
            return _act_in_order(inquiry, window)


def _act_in_order(inquiry: Inquiry, window: Window) -> Answered | None:
    """The condition first, unless it holds already."""
    condition = find_widget(window, inquiry.other)
    if condition is None:
        return None
    is_box = condition.kind == "checkbox"
    holds = (bool(condition.state) if is_box else condition.state) == inquiry.goal
    if holds:
        return _call("click", target=inquiry.name)
    if is_box:
        return _call("toggle", target=inquiry.other, on=inquiry.goal)
    return _call("type", target=inquiry.other, text=inquiry.goal)


def _call(tool: str, **arguments: str | bool) -> Answered:
    value = {"name": tool, "arguments": arguments}
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return (text,), Structure(value), {"tool": tool}


def _say(text: str) -> Answered:
    return (text,), Words((text,)), {}


def _yes_or_no(is_so: bool) -> Answered:
    text = "yes" if is_so else "no"
    return (text,), Words((text,)), {"is_so": is_so}


def differ(question: Question, twin: Question) -> bool:
    """Whether what is right for one picture is wrong for the other."""
    if isinstance(question.truth, Places) and isinstance(twin.truth, Places):
        return not (_hits(question, twin.truth) or _hits(twin, question.truth))
    return question.truth != twin.truth


def _hits(question: Question, places: Places) -> bool:
    points = [part.point for part in question.answer if isinstance(part, PointPart)]
    return any(inside(point, outline) for point in points for outline in places.outlines)
