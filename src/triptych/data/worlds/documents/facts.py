"""What documents say."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from triptych.data.worlds.documents.words import FORM_FIELDS, GOODS, TABLE_KINDS, WARES
from triptych.data.worlds.wording import Split

DocumentKind: TypeAlias = Literal["receipt", "invoice", "form", "table"]
DOCUMENT_KINDS: tuple[DocumentKind, ...] = ("receipt", "invoice", "form", "table")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill."""

    name: str
    qty: int
    cents: int
    """For the whole line."""

    @property
    def price(self) -> str:
        return money(self.cents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What receipts and invoices have in common."""

    items: tuple[Item, ...]
    total_cents: int
    """As printed, right or wrong."""

    @property
    def total(self) -> str:
        return money(self.total_cents)

    @property
    def adds_up(self) -> bool:
        return self.total_cents == sum(item.cents for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Bill):
    """From a till."""

    store: str
    address: str
    phone: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice(Bill):
    """From one firm to one customer."""

    seller: str
    customer: str
    number: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Labels, filled in."""

    title: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows and columns of text; the first column names the rows."""

    subject: str
    """Key of `TABLE_KINDS`."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Content: TypeAlias = Receipt | Invoice | Form | Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that no question asks about."""

    font: str
    tint: str
    ink: str
    angle: float
    """Degrees counter-clockwise."""
    grain: int
    """How much pixels are off, of 255."""
    grain_seed: int
    capitals: bool
    """Headings in capital letters."""
    currency: str
    """Before amounts."""
    dashed: bool
    """Rules are dashed."""
    boxed: bool
    """Fields of a form in boxes, cells of a table between lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """One document."""

    content: Content
    words: Split
    """Whose words it may use; changes draw from them too."""
    size: tuple[int, int]
    page: Page

    @property
    def kind(self) -> DocumentKind:
        match self.content:
            case Receipt():
                return "receipt"
            case Invoice():
                return "invoice"
            case Form():
                return "form"
            case Table():
                return "table"


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def fields_of(content: Content) -> dict[str, str]:
    """What can be asked for by name, each name following "the", with what is written there."""
    match content:
        case Receipt():
            head = {
                "shop name": content.store,
                "address": content.address,
                "phone number": content.phone,
            }
            return head | {"date": content.date, "total": content.total} | _item_fields(content)
        case Invoice():
            head = {
                "seller": content.seller,
                "customer": content.customer,
                "invoice number": content.number,
            }
            return head | {"date": content.date, "total": content.total} | _item_fields(content)
        case Form():
            return {"title": content.title} | {
                label.lower(): text for label, text in content.fields
            }
        case Table():
            cells = {
                f"{column.lower()} for {row[0]}": text
                for row in content.rows
                for column, text in zip(content.columns[1:], row[1:], strict=True)
            }
            return {"title": content.title} | cells


def _item_fields(bill: Bill) -> dict[str, str]:
    prices = {f"price of {item.name}": item.price for item in bill.items}
    return prices | {f"quantity of {item.name}": str(item.qty) for item in bill.items}


def owner_of(content: Content) -> str:
    """Who lists the names; pairs of owner and name are what `combinations` keeps apart."""
    match content:
        case Receipt():
            return content.store
        case Invoice():
            return content.seller
        case Form():
            return content.title
        case Table():
            return content.subject


def names_on(content: Content) -> tuple[str, ...]:
    """The items, rows or labels that are listed."""
    match content:
        case Receipt() | Invoice():
            return tuple(item.name for item in content.items)
        case Form():
            return tuple(label for label, _ in content.fields)
        case Table():
            return tuple(row[0] for row in content.rows)


def possible_names(content: Content) -> tuple[str, ...]:
    """Everything that might be listed in such a document."""
    match content:
        case Receipt():
            return GOODS
        case Invoice():
            return WARES
        case Form():
            return tuple(FORM_FIELDS)
        case Table():
            return TABLE_KINDS[content.subject].names


def keys_of(content: Content) -> tuple[str, ...]:
    """The keys of `structure_of`."""
    return tuple(structure_of(content))


def structure_of(content: Content) -> dict[str, Any]:
    """The document as JSON values, in a fixed form for each kind."""
    match content:
        case Receipt():
            return {
                "store": content.store,
                "date": content.date,
                "items": [
                    {"name": item.name, "qty": item.qty, "price": item.price}
                    for item in content.items
                ],
                "total": content.total,
            }
        case Invoice():
            return {
                "number": content.number,
                "seller": content.seller,
                "customer": content.customer,
                "date": content.date,
                "total": content.total,
            }
        case Form():
            return {"title": content.title, "fields": dict(content.fields)}
        case Table():
            return {"columns": list(content.columns), "rows": [list(row) for row in content.rows]}
