"""How windows come about and how one thing of them is changed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from triptych.data.worlds.screens.drawing import ACCENTS, NUM_DESKS, NUM_TINTS
from triptych.data.worlds.screens.window import (
    BUTTON_ROW,
    FACES,
    GAP,
    LEAST_ROW,
    PADDING,
    TAB_HEIGHT,
    TITLE_HEIGHT,
    Look,
    Widget,
    Window,
    buttons_width,
    caption_width,
    layout,
    room,
    row_width,
    rows_of,
)
from triptych.data.worlds.screens.words import (
    APPS,
    BUTTONS,
    CHECKBOXES,
    DROPDOWNS,
    FIELDS,
    LEVELS,
    RADIOS,
    SLIDERS,
    TABS,
    VIEWS,
    pick,
    planted,
    replacement,
    shown,
)
from triptych.data.worlds.wording import Split

SIZES = ((308, 224), (280, 280), (252, 308), (336, 252))
"""Width and height in pixels, multiples of 28."""

HELD_OUT_LOOKS = frozenset({(True, "orange"), (True, "pink"), (False, "violet"), (False, "teal")})
"""Pairs of a dark theme or not and an accent that training never shows."""

_TITLE_ROOM = 62
"""Pixels of the title bar that the title may not take."""


def compose_window(rng: Random, split: Split, prior: float) -> Window:
    """A fresh window; with `prior`, states follow from names that often."""
    size = rng.choice(SIZES)
    left, right = rng.randint(0, 10), size[0] - rng.randint(0, 10)
    top, bottom = rng.randint(0, 8), size[1] - rng.randint(0, 8)
    app, view = _title(rng, split, right - left - _TITLE_ROOM)
    tabs = _tabs(rng, split, prior, right - left) if rng.random() < 0.5 else ()
    buttons = _buttons(rng, split, prior, right - left - 2 * PADDING)
    columns = rng.choice((1, 2))
    height = bottom - BUTTON_ROW - 4 - top - TITLE_HEIGHT - TAB_HEIGHT * len(tabs)
    num_rows = rng.randint(2, height // LEAST_ROW)
    body = _body(rng, split, prior, right - left - 2 * PADDING, num_rows, columns)
    return Window(
        size=size,
        frame=(left, top, right, bottom),
        app=app,
        view=view,
        widgets=(*tabs, *body, *buttons),
        columns=columns,
        align=rng.choice(("left", "centre", "right")),
        button_width=max(room(button.name) for button in buttons) + 2 * GAP,
        look=draw_look(rng, held_out=split == "combinations"),
    )


def draw_look(rng: Random, *, held_out: bool) -> Look:
    """Any look; theme and accent are a pair that is held out, or one that is not."""
    pairs = [(dark, accent) for dark in (False, True) for accent in ACCENTS]
    dark, accent = rng.choice([each for each in pairs if (each in HELD_OUT_LOOKS) == held_out])
    return Look(
        dark=dark,
        accent=accent,
        face=rng.choice(tuple(FACES)),
        bar=rng.choice(("plain", "accent", "shade")),
        controls=rng.choice(("right", "left")),
        corner=rng.choice((0, 3, 6)),
        tint=rng.randrange(NUM_TINTS),
        desk=rng.randrange(NUM_DESKS),
        grain=rng.choice((0, 3, 6, 10)),
        seed=rng.randrange(1 << 32),
    )


def _title(rng: Random, split: Split, width: int) -> tuple[str, str]:
    while True:
        app, view = pick(rng, APPS, split), pick(rng, VIEWS, split)
        if room(f"{app} {view}") <= width:
            return app, view


def _tabs(rng: Random, split: Split, prior: float, width: int) -> tuple[Widget, ...]:
    options: list[str] = []
    for _ in range(rng.randint(2, 4)):
        option = pick(rng, TABS, split, options)
        if sum(room(each) + 14 for each in (*options, option)) <= width:
            options.append(option)
    return (Widget("tabs", "tabs", planted(rng, prior, options[0], options), tuple(options)),)


def _buttons(rng: Random, split: Split, prior: float, width: int) -> tuple[Widget, ...]:
    names: list[str] = []
    for _ in range(rng.randint(2, 3)):
        name = pick(rng, BUTTONS, split, names)
        widest = max(map(room, (*names, name))) + 2 * GAP
        if buttons_width(len(names) + 1, widest) <= width:
            names.append(name)
    return tuple(Widget("button", name, planted(rng, prior, name, (0, 1))) for name in names)


def _body(
    rng: Random, split: Split, prior: float, width: int, num_rows: int, columns: int
) -> tuple[Widget, ...]:
    """Rows of widgets that fit; a window starts with a field or a box to tick."""
    body: list[Widget] = []
    for _ in range(4 * num_rows):
        kinds = _KINDS if body else _KINDS[:2]
        weights = _WEIGHTS[: len(kinds)]
        (create,) = rng.choices(kinds, weights)
        widget = create(rng, split, prior, [each.name for each in body])
        longer = [*body, widget]
        if len(rows_of(longer, columns)) <= num_rows and _fits(longer, width, columns):
            body = longer
    return tuple(body)


def _fits(body: Sequence[Widget], width: int, columns: int) -> bool:
    beside = width - caption_width(body) - GAP
    return all(
        row_width(widget) <= (width // len(row) - GAP if widget.kind == "checkbox" else beside)
        for row in rows_of(body, columns)
        for widget in row
    ) and len({each.name for each in body}) == len(body)


def _field(rng: Random, split: Split, prior: float, taken: Sequence[str]) -> Widget:
    name = pick(rng, FIELDS, split, taken)
    texts = shown(FIELDS[name], split)
    # Some fields are empty.
    text = planted(rng, prior, name, texts) if rng.random() < 0.85 else ""
    return Widget("field", name, text)


def _checkbox(rng: Random, split: Split, prior: float, taken: Sequence[str]) -> Widget:
    name = pick(rng, CHECKBOXES, split, taken)
    return Widget("checkbox", name, planted(rng, prior, name, (0, 1)))


def _radio(rng: Random, split: Split, prior: float, taken: Sequence[str]) -> Widget:
    name = pick(rng, RADIOS, split, taken)
    return Widget("radio", name, planted(rng, prior, name, RADIOS[name]), RADIOS[name])


def _dropdown(rng: Random, split: Split, prior: float, taken: Sequence[str]) -> Widget:
    name = pick(rng, DROPDOWNS, split, taken)
    return Widget("dropdown", name, planted(rng, prior, name, DROPDOWNS[name]), DROPDOWNS[name])


def _slider(rng: Random, split: Split, prior: float, taken: Sequence[str]) -> Widget:
    name = pick(rng, SLIDERS, split, taken)
    return Widget("slider", name, planted(rng, prior, name, LEVELS))


_KINDS: tuple[Callable[[Random, Split, float, Sequence[str]], Widget], ...] = (
    _field,
    _checkbox,
    _radio,
    _dropdown,
    _slider,
)
_WEIGHTS = (4, 5, 2, 2, 1)

# -- one thing changed ----------------------------------------------------------------------------


def change_window(rng: Random, window: Window) -> Window:
    """Another state of one widget, another name of a button or the window, or buttons swapped."""
    ways = (_change_state, _rename_button, _retitle, _swap_buttons)
    (way,) = rng.choices(ways, (10, 4, 2, 3))
    # Any button can be pressed or greyed out, so a state can always be changed.
    return way(rng, window) or _change_state(rng, window)


def _change_state(rng: Random, window: Window) -> Window:
    index = rng.randrange(len(window.widgets))
    return _with_widget(window, index, _other_state(rng, window, window.widgets[index]))


def _other_state(rng: Random, window: Window, widget: Widget) -> Widget:
    match widget.kind:
        case "checkbox" | "button":
            return replace(widget, state=1 - int(widget.state))
        case "slider":
            return replace(widget, state=rng.choice([e for e in LEVELS if e != widget.state]))
        case "field":
            width = next(each.box.width for each in layout(window) if each.widget == widget)
            fitting = [text for text in FIELDS[widget.name] if room(text) + 12 <= width]
            return replace(widget, state=replacement(rng, fitting, str(widget.state)) or "")
        case _:
            return replace(
                widget, state=rng.choice([e for e in widget.options if e != widget.state])
            )


def _rename_button(rng: Random, window: Window) -> Window | None:
    index = rng.randrange(len(window.widgets) - len(window.buttons), len(window.widgets))
    button = window.widgets[index]
    fitting = [name for name in BUTTONS if room(name) + 2 * GAP <= window.button_width]
    name = replacement(rng, fitting, button.name, [each.name for each in window.buttons])
    return _with_widget(window, index, replace(button, name=name)) if name else None


def _retitle(rng: Random, window: Window) -> Window | None:
    width = window.frame[2] - window.frame[0] - _TITLE_ROOM
    fitting = [view for view in VIEWS if room(f"{window.app} {view}") <= width]
    view = replacement(rng, fitting, window.view)
    return replace(window, view=view) if view else None


def _swap_buttons(rng: Random, window: Window) -> Window | None:
    if len(window.buttons) < 2:
        return None
    buttons = list(window.buttons)
    first, second = rng.sample(range(len(buttons)), 2)
    buttons[first], buttons[second] = buttons[second], buttons[first]
    return replace(window, widgets=(*window.widgets[: -len(buttons)], *buttons))


def _with_widget(window: Window, index: int, widget: Widget) -> Window:
    widgets = list(window.widgets)
    widgets[index] = widget
    return replace(window, widgets=tuple(widgets))
