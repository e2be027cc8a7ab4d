"""What a window of `screens` holds, and where it stands.

    +--------------------------+
    | title                  x |   26 px
    | [tab] tab  tab           |   26 px, if there are tabs
    | name [ field           ] |   rows of equal height
    | name o one  o two        |
    | [x] box      [ ] box     |
    |          (button) (button)   34 px
    +--------------------------+

The layout depends on the words alone, not on the look: a name takes the room of the widest face.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypeAlias

from triptych.data.worlds.fonts import font
from triptych.geometry import Box, Point

WidgetKind: TypeAlias = Literal[
    "tabs", "field", "checkbox", "radio", "dropdown", "slider", "button"
]
Face: TypeAlias = Literal["sans", "serif", "mono", "times", "grotesque"]

FACES: dict[Face, int] = {"sans": 13, "serif": 13, "mono": 13, "times": 16, "grotesque": 16}
"""Sizes at which the faces look equally large."""

TITLE_HEIGHT, TAB_HEIGHT, BUTTON_ROW = 26, 26, 34
LEAST_ROW, MOST_ROW = 25, 32
PADDING, GAP, MARK = 10, 8, 14


@dataclass(frozen=True, slots=True)
class Widget:
    """One thing in a window that has a name and a state."""

    kind: WidgetKind
    name: str
    """What is written on it or beside it; `tabs` for the row of tabs."""
    state: str | int
    """Text of a field, chosen option, percent of a slider; 1 or 0 for a box that is ticked and for
    a button that is not greyed out."""
    options: tuple[str, ...] = ()
    """What tabs, radio buttons and a dropdown offer."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a window is drawn, which no question asks about."""

    dark: bool
    accent: str
    face: Face
    bar: Literal["plain", "accent", "shade"]
    """Ground of the title."""
    controls: Literal["right", "left"]
    corner: int
    """Radius in pixels."""
    tint: int
    """Which of the window grounds."""
    desk: int
    """Which of the grounds behind the window."""
    grain: int
    """Largest change of a pixel by noise."""
    seed: int


@dataclass(frozen=True, slots=True)
class Window:
    """Everything about one picture."""

    size: tuple[int, int]
    """Width and height in pixels."""
    frame: tuple[int, int, int, int]
    """Left, top, right, bottom of the window in the picture."""
    app: str
    view: str
    """The two parts of the title."""
    widgets: tuple[Widget, ...]
    """From top to bottom: tabs, if any, the body, the buttons from left to right."""
    columns: int
    """Ticked boxes in a row: 1 or 2."""
    align: Literal["left", "centre", "right"]
    """Of the buttons."""
    button_width: int
    look: Look

    @property
    def title(self) -> str:
        return f"{self.app} {self.view}"

    @property
    def body(self) -> tuple[Widget, ...]:
        return tuple(each for each in self.widgets if each.kind not in ("tabs", "button"))

    @property
    def buttons(self) -> tuple[Widget, ...]:
        return tuple(each for each in self.widgets if each.kind == "button")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one can press, and what for."""

    widget: Widget
    name: str
    """The widget's, or an option's of tabs and radio buttons."""
    box: Box
    caption: Point | None = None
    """Left end of the widget's name, halfway up, where that is written outside the box."""


@cache
def room(text: str) -> int:
    """Width that a text takes in the widest face, in pixels."""
    return round(max(font(face, size).getlength(text) for face, size in FACES.items()))


def rows_of(widgets: Sequence[Widget], columns: int) -> list[list[Widget]]:
    """The body in rows; in two columns, boxes to tick that follow each other share a row."""
    rows: list[list[Widget]] = []
    for widget in widgets:
        last = rows[-1] if rows else []
        if columns == 2 and widget.kind == "checkbox" and [e.kind for e in last] == ["checkbox"]:
            last.append(widget)
        else:
            rows.append([widget])
    return rows


def row_width(widget: Widget) -> int:
    """Width that a widget of the body needs beside its caption."""
    match widget.kind:
        case "checkbox":
            return MARK + 6 + room(widget.name)
        case "radio":
            return sum(MARK + 4 + room(option) for option in widget.options) + GAP * (
                len(widget.options) - 1
            )
        case "dropdown":
            return max(map(room, widget.options)) + 12 + MARK
        case "slider":
            return 60 + GAP + room("100")
        case _:
            return max(80, room(str(widget.state)) + 12)


def caption_width(widgets: Sequence[Widget]) -> int:
    """Width of the column of names left of fields and the like."""
    return max((room(each.name) for each in widgets if each.kind != "checkbox"), default=0)


@lru_cache(maxsize=8)
def layout(window: Window) -> tuple[Spot, ...]:
    """Where everything stands, in whole pixels."""
    left, top, right, bottom = window.frame
    spots: list[Spot] = []
    y = top + TITLE_HEIGHT
    if window.widgets and window.widgets[0].kind == "tabs":
        spots += _tabs(window.widgets[0], left, y)
        y += TAB_HEIGHT
    y += 4
    rows = rows_of(window.body, window.columns)
    pitch = min(MOST_ROW, (bottom - BUTTON_ROW - y) // max(1, len(rows)))
    column = left + PADDING + caption_width(window.body) + GAP
    for row in rows:
        for index, widget in enumerate(row):
            x = left + PADDING + index * (right - left - PADDING) // 2
            spots += _row(widget, x, column, right - PADDING, y, pitch)
        y += pitch
    return (*spots, *_buttons(window))


def _tabs(tabs: Widget, left: int, top: int) -> list[Spot]:
    spots: list[Spot] = []
    for option in tabs.options:
        right = left + room(option) + 14
        spots.append(Spot(tabs, option, _box(left, top, right, top + TAB_HEIGHT)))
        left = right
    return spots


def _row(widget: Widget, left: int, column: int, right: int, top: int, height: int) -> list[Spot]:
    middle = top + height // 2
    high, low = middle - 11, middle + 11
    caption = Point(float(left), float(middle))
    match widget.kind:
        case "checkbox":
            return [Spot(widget, widget.name, _box(left, high, left + row_width(widget), low))]
        case "radio":
            spots: list[Spot] = []
            for option in widget.options:
                end = column + MARK + 4 + room(option)
                spots.append(Spot(widget, option, _box(column, high, end, low), caption))
                column = end + GAP
            return spots
        case "dropdown":
            right = min(right, column + row_width(widget) + 24)
        case _:
            right = min(right, column + 200)
    return [Spot(widget, widget.name, _box(column, high, right, low), caption)]


def _buttons(window: Window) -> list[Spot]:
    left, _, right, bottom = window.frame
    width, buttons = window.button_width, window.buttons
    free = right - left - 2 * PADDING - buttons_width(len(buttons), width)
    x = left + PADDING + {"left": 0, "centre": free // 2, "right": free}[window.align]
    spots: list[Spot] = []
    for button in buttons:
        box = _box(x, bottom - BUTTON_ROW + 2, x + width, bottom - 8)
        spots.append(Spot(button, button.name, box))
        x += width + GAP
    return spots


def _box(left: int, top: int, right: int, bottom: int) -> Box:
    return Box(float(left), float(top), float(right), float(bottom))


def buttons_width(count: int, width: int) -> int:
    """Width of so many buttons side by side."""
    return count * width + GAP * (count - 1)
