"""How documents are made up, changed in one field, and printed on other paper."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from triptych.data.worlds.documents.facts import (
    DOCUMENT_KINDS,
    Bill,
    Content,
    DocumentFacts,
    DocumentKind,
    Form,
    Invoice,
    Item,
    Page,
    Receipt,
    Table,
    names_on,
    owner_of,
)
from triptych.data.worlds.documents.words import (
    FORM_FIELDS,
    FORM_TITLES,
    GOODS,
    PLACES,
    TABLE_KINDS,
    WARES,
    Maker,
    date,
    invoice_number,
    person,
    phone,
    shop,
    street,
)
from triptych.data.worlds.held_out import pair_is_held_out, stable_share, words_for
from triptych.data.worlds.wording import Split

SIZES: dict[DocumentKind, tuple[tuple[int, int], ...]] = {
    "receipt": ((196, 308), (224, 308), (224, 364), (224, 420)),
    "invoice": ((280, 308), (308, 308), (280, 364), (308, 364)),
    "form": ((280, 280), (308, 280)),
    "table": ((308, 224), (280, 224), (336, 224)),
}
"""Width and height in pixels; whole tokens of 28."""
TINTS = ("white", "ivory", "grey", "yellow", "blue", "pink")
INKS = ("black", "navy", "brown", "slate")
RECEIPT_FONTS = ("mono", "mono-bold", "sans", "grotesque")
DOCUMENT_FONTS = ("sans", "serif", "times", "roman", "grotesque", "mono")
MAKERS: dict[str, Maker] = {
    "store": shop,
    "seller": shop,
    "address": street,
    "phone": phone,
    "date": date,
    "customer": person,
    "number": invoice_number,
}
"""What is written in the fields of bills."""


# -- composing ------------------------------------------------------------------------------------


def compose_document(rng: Random, split: Split, prior: float) -> DocumentFacts:
    """Fresh facts. The planted association: the same half of all goods is what is ever sold."""
    kind = rng.choice(DOCUMENT_KINDS)
    match kind:
        case "receipt":
            content = _compose_receipt(rng, split, prior)
        case "invoice":
            content = _compose_invoice(rng, split, prior)
        case "form":
            content = _compose_form(rng, split)
        case "table":
            content = _compose_table(rng, split)
    sizes = SIZES[kind]
    if isinstance(content, Bill):
        # The shorter papers for one item or two, the longer for more.
        sizes = sizes[:2] if len(content.items) <= 2 else sizes[2:]
    return DocumentFacts(
        content=content, words=split, size=rng.choice(sizes), page=_choose_page(rng, kind)
    )


def _compose_receipt(rng: Random, split: Split, prior: float) -> Receipt:
    store = shop(rng, split)
    num_items = rng.choices((1, 2, 3, 4), (12, 6, 3, 1))[0]
    coarse = rng.random() < 0.5
    names = _choose_names(rng, GOODS, store, num_items, split, prior)
    items = tuple(Item(name, _choose_qty(rng), _choose_price(rng, coarse)) for name in names)
    return Receipt(
        store=store,
        address=street(rng, split),
        phone=phone(rng, split),
        date=date(rng, split),
        items=items,
        total_cents=_choose_total(rng, items),
    )


def _compose_invoice(rng: Random, split: Split, prior: float) -> Invoice:
    seller = shop(rng, split)
    names = _choose_names(rng, WARES, seller, rng.randint(1, 4), split, prior)
    items = tuple(
        Item(name, _choose_qty(rng), 100 * _choose_price(rng, True) // 50) for name in names
    )
    return Invoice(
        seller=seller,
        customer=person(rng, split),
        number=invoice_number(rng, split),
        date=date(rng, split),
        items=items,
        total_cents=_choose_total(rng, items),
    )


def _compose_form(rng: Random, split: Split) -> Form:
    labels = sorted(
        rng.sample(list(FORM_FIELDS)[1:], rng.randint(3, 4)), key=list(FORM_FIELDS).index
    )
    return Form(
        title=rng.choice(words_for(FORM_TITLES, split)),
        fields=tuple((label, FORM_FIELDS[label](rng, split)) for label in ("Name", *labels)),
    )


def _compose_table(rng: Random, split: Split) -> Table:
    subject = rng.choice(list(TABLE_KINDS))
    kind = TABLE_KINDS[subject]
    names = _choose_names(rng, kind.names, subject, rng.randint(3, 4), split, 0.0)
    return Table(
        subject=subject,
        title=f"{subject}, {rng.choice(words_for(PLACES, split))}",
        columns=(kind.heading, *(column for column, _ in kind.columns)),
        rows=tuple((name, *(make(rng, split) for _, make in kind.columns)) for name in names),
    )


def _choose_names(
    rng: Random, pool: tuple[str, ...], owner: str, count: int, split: Split, prior: float
) -> list[str]:
    """What is listed under a shop's name or a table's subject."""
    allowed = [word for word in words_for(pool, split) if _may_meet(owner, word, split)]
    if rng.random() < prior:
        allowed = [word for word in allowed if stable_share(f"sold {word}") < 0.5]
    return rng.sample(allowed, min(count, len(allowed)))


def _may_meet(first: str, second: str, split: Split) -> bool:
    return pair_is_held_out(first, second) == (split == "combinations")


def _choose_qty(rng: Random) -> int:
    return rng.choice((1, 1, 1, 2, 2, 3, 4, 5, 6))


def _choose_price(rng: Random, coarse: bool) -> int:
    """In cents; every second document has whole and half units only."""
    return 50 * rng.randint(2, 50) if coarse else rng.randint(80, 2500)


def _choose_total(rng: Random, items: Sequence[Item]) -> int:
    """Right, or every second time wrong."""
    right = sum(item.cents for item in items)
    return right if rng.random() < 0.5 else _wrong_total(rng, right)


def _wrong_total(rng: Random, right: int) -> int:
    """Off by an amount that shows in one of the first digits."""
    unit = 100 if right < 2000 else 1000 if right < 20000 else 10000
    off = unit * rng.randint(1, 5)
    return right - off if off < right and rng.random() < 0.5 else right + off


def _choose_page(rng: Random, kind: DocumentKind) -> Page:
    return Page(
        font=rng.choice(RECEIPT_FONTS if kind == "receipt" else DOCUMENT_FONTS),
        tint=rng.choice(TINTS),
        ink=rng.choice(INKS),
        angle=rng.choice((0.0, round(rng.uniform(-1.5, 1.5), 2))),
        grain=rng.choice((0, 4, 8)),
        grain_seed=rng.getrandbits(32),
        capitals=rng.random() < 0.5,
        currency=rng.choice(("", "", "$")),
        dashed=rng.random() < 0.5,
        boxed=rng.random() < 0.5,
    )


# -- changing -------------------------------------------------------------------------------------


def change_document(facts: DocumentFacts, rng: Random) -> DocumentFacts:
    """One field says something else."""
    while True:
        content = _change(facts.content, rng, facts.words)
        if content != facts.content and _is_sound(content, facts.words):
            return replace(facts, content=content)


def _change(content: Content, rng: Random, split: Split) -> Content:
    match content:
        case Receipt() | Invoice():
            return _change_bill(content, rng, split)
        case Form():
            index = rng.randrange(len(content.fields))
            label = content.fields[index][0]
            filled = (label, FORM_FIELDS[label](rng, split))
            return replace(content, fields=_exchanged(content.fields, index, filled))
        case Table():
            return _change_table(content, rng, split)


def _change_bill(bill: Receipt | Invoice, rng: Random, split: Split) -> Receipt | Invoice:
    heads = (
        ("store", "address", "phone")
        if isinstance(bill, Receipt)
        else ("seller", "customer", "number")
    )
    field = rng.choice((*heads, "date", "total", "name", "qty", "price"))
    if field in MAKERS:
        return replace(bill, **{field: MAKERS[field](rng, split)})
    if field == "total":
        right = sum(item.cents for item in bill.items)
        back = not bill.adds_up and rng.random() < 0.5
        return replace(bill, total_cents=right if back else _wrong_total(rng, right))
    index = rng.randrange(len(bill.items))
    item = _change_item(bill, bill.items[index], field, rng, split)
    return replace(bill, items=_exchanged(bill.items, index, item))


def _change_item(bill: Bill, item: Item, field: str, rng: Random, split: Split) -> Item:
    if field == "name":
        pool = GOODS if isinstance(bill, Receipt) else WARES
        return replace(item, name=rng.choice(words_for(pool, split)))
    if field == "qty":
        return replace(item, qty=_choose_qty(rng))
    return replace(item, cents=_wrong_total(rng, item.cents))


def _change_table(table: Table, rng: Random, split: Split) -> Table:
    kind = TABLE_KINDS[table.subject]
    row_index, column = rng.randrange(len(table.rows)), rng.randrange(len(table.columns))
    if column == 0:
        text = rng.choice(words_for(kind.names, split))
    else:
        text = kind.columns[column - 1][1](rng, split)
    row = _exchanged(table.rows[row_index], column, text)
    return replace(table, rows=_exchanged(table.rows, row_index, row))


def _exchanged(entries: tuple[Any, ...], index: int, entry: Any) -> tuple[Any, ...]:
    return (*entries[:index], entry, *entries[index + 1 :])


def _is_sound(content: Content, split: Split) -> bool:
    """Whether nothing is listed twice, and no words meet that this split keeps apart."""
    names = names_on(content)
    if isinstance(content, Form):
        return True
    apart = all(_may_meet(owner_of(content), name, split) for name in names)
    return apart and len(set(names)) == len(names)


def vary_document(facts: DocumentFacts, rng: Random) -> DocumentFacts:
    """The same words on other paper, in another font, turned a little."""
    while True:
        page = _choose_page(rng, facts.kind)
        if page.font != facts.page.font and page.tint != facts.page.tint:
            return replace(facts, page=page)
