"""Where every line of a document stands, before the paper is turned."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from triptych.data.worlds.documents.facts import (
    Bill,
    DocumentFacts,
    Form,
    Invoice,
    Page,
    Receipt,
    Table,
)
from triptych.data.worlds.lettering import Lettering, largest_fitting
from triptych.geometry import Box, Point, Polygon

_MARGIN = 14.0
# Turned by 1.5 degrees, a tall page moves by 6 pixels at its corners.
_BOLD = {
    "sans": "sans-bold",
    "serif": "serif-bold",
    "times": "times-bold",
    "roman": "times-bold",
    "grotesque": "sans-bold",
    "mono": "mono-bold",
    "mono-bold": "mono-bold",
}
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Shade:
    """A filled rectangle, or a rule if it is thin."""

    box: Box
    grey: int
    """0 is ink, 255 paper."""
    dashed: bool = False


Mark: TypeAlias = Lettering | Shade
"""Whatever is printed; the ink of letters here is a grey like that of shades."""


def lay_out(facts: DocumentFacts) -> tuple[Mark, ...]:
    """Everything printed, back to front. A pure function of the facts."""
    sheet = _Sheet(facts.size, facts.page)
    match facts.content:
        case Receipt():
            return tuple(_receipt(facts.content, sheet))
        case Invoice():
            return tuple(_invoice(facts.content, sheet))
        case Form():
            return tuple(_form(facts.content, sheet))
        case Table():
            return tuple(_table(facts.content, sheet))


def outline(box: Box, facts: DocumentFacts) -> Polygon:
    """Where a box of the layout lies in the picture, after turning: its four corners."""
    return tuple(turned(corner, facts) for corner in box.corners)


def turned(place: Point, facts: DocumentFacts) -> Point:
    """Where a place of the layout lies in the picture, after turning."""
    turn, (width, height) = math.radians(facts.page.angle), facts.size
    across, down = place.x - width / 2, place.y - height / 2
    return Point(
        width / 2 + math.cos(turn) * across + math.sin(turn) * down,
        height / 2 - math.sin(turn) * across + math.cos(turn) * down,
    )


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Paper to write on, with its margins and fonts."""

    size: tuple[int, int]
    page: Page

    @property
    def left(self) -> float:
        return _MARGIN

    @property
    def right(self) -> float:
        return self.size[0] - _MARGIN

    @property
    def middle(self) -> float:
        return self.size[0] / 2

    def line(
        self,
        text: str,
        x: float,
        y: float,
        anchor: str = "lm",
        *,
        bold: bool = False,
        sizes: Sequence[int] = (12, 11),
        room: float | None = None,
        ink: tuple[int, int, int] = _BLACK,
    ) -> Lettering:
        """A line of text, in the largest of the sizes that fits the room there is."""
        font = _BOLD[self.page.font] if bold else self.page.font
        size = largest_fitting(text, font, self.right - self.left if room is None else room, sizes)
        return Lettering(text=text, x=x, y=y, anchor=anchor, font=font, size=size, ink=ink)

    def heading(self, text: str) -> str:
        return text.upper() if self.page.capitals else text

    def money(self, amount: str) -> str:
        return self.page.currency + amount

    def rule(self, y: float) -> Shade:
        """Across the page, on whole pixels so that it is sharp."""
        y = float(round(y))
        return Shade(Box(self.left, y, self.right, y + 1), 60, self.page.dashed)


# -- receipts -------------------------------------------------------------------------------------


def _receipt(receipt: Receipt, sheet: _Sheet) -> Iterator[Mark]:
    # The head, the items and the total share what height there is; a tall one ends in bars.
    num_lines = 7 + len(receipt.items) + (2 if sheet.size[1] > 308 else 0)
    pitch = min(30, (sheet.size[1] - 2 * _MARGIN - 8) / num_lines)
    rows = (_MARGIN + 4 + pitch * (index + 0.5) for index in range(num_lines + 1))
    yield sheet.line(
        sheet.heading(receipt.store),
        sheet.middle,
        next(rows),
        "mm",
        bold=True,
        sizes=(15, 13, 12, 11),
    )
    for text in (receipt.address, f"Tel {receipt.phone}", f"Date {receipt.date}"):
        yield sheet.line(text, sheet.middle, next(rows), "mm")
    yield sheet.rule(next(rows) - pitch * 0.35)
    y = 0.0
    for item in receipt.items:
        y = next(rows) - pitch * 0.6
        yield sheet.line(f"{item.qty} x {item.name}", sheet.left, y)
        yield sheet.line(sheet.money(item.price), sheet.right, y, "rm")
    yield sheet.rule(y + pitch * 0.7)
    y += pitch * 1.35
    yield sheet.line(sheet.heading("Total"), sheet.left, y, bold=True, sizes=(14, 13))
    yield sheet.line(sheet.money(receipt.total), sheet.right, y, "rm", bold=True, sizes=(14, 13))
    if sheet.size[1] > 308:
        yield from _bars(sheet, sheet.size[1] - _MARGIN - 26)


def _bars(sheet: _Sheet, top: float) -> Iterator[Shade]:
    """A bar code that means nothing."""
    x, seed = sheet.middle - 50, sheet.page.grain_seed
    while x < sheet.middle + 50:
        thick = 1 + seed % 3
        yield Shade(Box(x, top, x + thick, top + 22), 20)
        seed = seed // 3 or sheet.page.grain_seed + 7
        x += thick + 1 + seed % 3


# -- invoices -------------------------------------------------------------------------------------


def _invoice(invoice: Invoice, sheet: _Sheet) -> Iterator[Mark]:
    left, right = sheet.left, sheet.right
    yield sheet.line(invoice.seller, left, 26.0, bold=True, sizes=(14, 13, 12), room=160.0)
    yield sheet.line(sheet.heading("Invoice"), right, 26.0, "rm", sizes=(14, 13), room=80.0)
    yield sheet.rule(41.0)
    for y, label, text in (
        (60.0, "Invoice no.", invoice.number),
        (82.0, "Date", invoice.date),
        (104.0, "Customer", invoice.customer),
    ):
        yield sheet.line(label, left, y, room=95.0)
        yield sheet.line(text, left + 100, y, room=right - left - 100)
    yield Shade(Box(left - 4, 124.0, right + 4, 146.0), 210)
    qty = left + 0.62 * (right - left)
    for text, x, anchor in (("Item", left, "lm"), ("Qty", qty, "rm"), ("Amount", right, "rm")):
        yield sheet.line(text, x, 135.0, anchor, bold=True)
    y = 160.0
    for item in invoice.items:
        yield sheet.line(item.name, left, y)
        yield sheet.line(str(item.qty), qty, y, "rm")
        yield sheet.line(sheet.money(item.price), right, y, "rm")
        y += 25
    yield sheet.rule(y - 8)
    yield from _total(invoice, sheet, y + 10)


def _total(bill: Bill, sheet: _Sheet, y: float) -> Iterator[Lettering]:
    yield sheet.line(sheet.heading("Total"), sheet.left, y, bold=True, sizes=(13,))
    yield sheet.line(sheet.money(bill.total), sheet.right, y, "rm", bold=True, sizes=(13,))


# -- forms ----------------------------------------------------------------------------------------


def _form(form: Form, sheet: _Sheet) -> Iterator[Mark]:
    yield sheet.line(
        sheet.heading(form.title), sheet.middle, 28.0, "mm", bold=True, sizes=(15, 14, 13)
    )
    start, pitch = 106.0, (sheet.size[1] - 2 * _MARGIN - 36) / len(form.fields)
    for index, (label, text) in enumerate(form.fields):
        y = float(round(52 + pitch * (index + 0.5)))
        yield sheet.line(label, sheet.left, y, room=start - sheet.left - 8)
        box = Box(start, y - 12, sheet.right + 4, y + 12)
        if sheet.page.boxed:
            yield from _frame(box)
        else:
            yield Shade(Box(box.left, y + 11, box.right, y + 12), 90, sheet.page.dashed)
        yield sheet.line(text, start + 5, y, room=sheet.right - start - 5)


def _frame(box: Box) -> Iterator[Shade]:
    yield Shade(box, 110)
    yield Shade(Box(box.left + 1, box.top + 1, box.right - 1, box.bottom - 1), 255)


# -- tables ---------------------------------------------------------------------------------------


def _table(table: Table, sheet: _Sheet) -> Iterator[Mark]:
    yield sheet.line(
        sheet.heading(table.title), sheet.middle, 26.0, "mm", bold=True, sizes=(14, 13, 12)
    )
    top, bottom = 46.0, sheet.size[1] - _MARGIN
    pitch = (bottom - top) / (len(table.rows) + 1)
    shares = (0.0, 0.38, 0.7, 1.0)
    edges = [float(round(sheet.left + share * (sheet.right - sheet.left))) for share in shares]
    dark = not sheet.page.boxed
    yield Shade(Box(sheet.left, top, sheet.right, float(round(top + pitch))), 70 if dark else 215)
    for index, row in enumerate((table.columns, *table.rows)):
        y = top + pitch * (index + 0.5)
        for text, left, right in zip(row, edges, edges[1:], strict=False):
            ink = _WHITE if dark and index == 0 else _BLACK
            yield sheet.line(text, left + 6, y, bold=index == 0, room=right - left - 8, ink=ink)
        yield sheet.rule(top + pitch * (index + 1))
    if sheet.page.boxed:
        for edge in edges:
            yield Shade(Box(edge, top, edge + 1, bottom), 60)
