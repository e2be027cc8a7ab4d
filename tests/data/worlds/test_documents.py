"""What is particular to documents: what is written is what is asked, sums are right or wrong."""

import json
from collections import Counter
from dataclasses import asdict, replace
from functools import lru_cache
from random import Random

import numpy as np
import pytest
from PIL import Image

from triptych.data.worlds.documents import Documents
from triptych.data.worlds.documents.composing import (
    DOCUMENT_FONTS,
    INKS,
    RECEIPT_FONTS,
    TINTS,
    compose_document,
    vary_document,
)
from triptych.data.worlds.documents.drawing import INK_COLOURS, TINT_COLOURS, draw_document
from triptych.data.worlds.documents.facts import (
    Bill,
    DocumentFacts,
    Form,
    Invoice,
    Item,
    Page,
    Receipt,
    Table,
    fields_of,
    names_on,
    owner_of,
    structure_of,
)
from triptych.data.worlds.documents.layout import lay_out, outline
from triptych.data.worlds.documents.questions import DocumentQuery, answer, put
from triptych.data.worlds.fonts import FONTS
from triptych.data.worlds.held_out import stable_share
from triptych.data.worlds.lettering import Lettering
from triptych.data.worlds.question import Structure, Words
from triptych.geometry import Box, bounds

PAGE = Page(
    font="mono",
    tint="white",
    ink="black",
    angle=0.0,
    grain=0,
    grain_seed=1,
    capitals=False,
    currency="$",
    dashed=False,
    boxed=False,
)
RECEIPT = Receipt(
    store="Green Deli",
    address="4 Mill Road",
    phone="555-0101",
    date="2024-03-05",
    items=(Item("Milk", 2, 398), Item("Bread", 1, 205)),
    total_cents=603,
)


def document(content, **page):
    return DocumentFacts(
        content=content, words="train", size=(224, 308), page=replace(PAGE, **page)
    )


@lru_cache(maxsize=8)
def composed(count, split="train", prior=0.0):
    return [compose_document(Random(number), split, prior) for number in range(count)]


def said(kind, content=RECEIPT, subject=""):
    return answer(DocumentQuery(f"documents/{kind}", subject), document(content))[0]


# -- answers worked by hand -----------------------------------------------------------------------


def test_answers_about_a_receipt():
    assert said("field", subject="total") == "6.03"
    assert said("field", subject="date") == "2024-03-05"
    assert said("field", subject="price of Bread") == "2.05"
    assert said("field", subject="quantity of Milk") == "2"
    assert said("check") == "yes"
    assert said("check", replace(RECEIPT, total_cents=703)) == "no"
    assert said("existence", subject="Bread") == "yes"
    assert said("existence", subject="Jam") == "no"
    assert said("kind") == "receipt"
    assert said("json") == (
        '{"store":"Green Deli","date":"2024-03-05","items":[{"name":"Milk","qty":2,"price":"3.98"},'
        '{"name":"Bread","qty":1,"price":"2.05"}],"total":"6.03"}'
    )


def test_answers_about_the_others():
    invoice = Invoice(
        seller="Red Shop",
        customer="Ana Silva",
        number="A-1",
        date="1.2.2024",
        items=(Item("Lamp", 1, 1000),),
        total_cents=1000,
    )
    assert json.loads(said("json", invoice)) == {
        "number": "A-1",
        "seller": "Red Shop",
        "customer": "Ana Silva",
        "date": "1.2.2024",
        "total": "10.00",
    }
    form = Form(title="Visitor form", fields=(("Name", "Ana Silva"), ("City", "Oslo")))
    assert said("field", form, "city") == "Oslo"
    assert said("existence", form, "Phone") == "no"
    assert json.loads(said("json", form)) == {
        "title": "Visitor form",
        "fields": {"Name": "Ana Silva", "City": "Oslo"},
    }
    table = Table(
        subject="Class",
        title="Class, Milton",
        columns=("Pupil", "Age", "Grade"),
        rows=(("Ben", "9", "A"), ("Zoe", "8", "C")),
    )
    assert said("field", table, "grade for Zoe") == "C"
    assert said("json", table) == (
        '{"columns":["Pupil","Age","Grade"],"rows":[["Ben","9","A"],["Zoe","8","C"]]}'
    )


def test_amounts_may_be_given_with_their_sign():
    truth = answer(DocumentQuery("documents/field", "total"), document(RECEIPT))[1]
    assert truth == Words(("6.03", "$6.03"))
    truth = answer(DocumentQuery("documents/field", "date"), document(RECEIPT))[1]
    assert truth == Words(("2024-03-05",))


def test_json_is_asked_for_by_its_keys():
    query = DocumentQuery("documents/json")
    texts = [put(query, document(RECEIPT), Random(n), "train").text for n in range(60)]
    assert any("store, date, items and total" in text for text in texts)
    assert all("JSON" in text for text in texts)


# -- sums -----------------------------------------------------------------------------------------


def test_totals_are_right_or_wrong_exactly_as_check_says():
    verdicts = Counter()
    for facts in composed(400):
        if isinstance(facts.content, Bill):
            printed = sum(round(100 * float(item.price)) for item in facts.content.items)
            right = printed == round(100 * float(facts.content.total))
            verdict = answer(DocumentQuery("documents/check"), facts)[0]
            assert verdict == ("yes" if right else "no")
            verdicts[verdict] += 1
    assert 0.37 < verdicts["yes"] / verdicts.total() < 0.63


def test_a_wrong_total_is_off_by_a_whole_amount():
    for facts in composed(400):
        if isinstance(facts.content, Bill):
            off = facts.content.total_cents - sum(item.cents for item in facts.content.items)
            assert off % 100 == 0
            assert facts.content.total_cents > 0


# -- the picture ----------------------------------------------------------------------------------


def test_all_that_is_asked_is_written():
    for facts in composed(400):
        written = [mark.text.lower() for mark in lay_out(facts) if isinstance(mark, Lettering)]
        for name, text in fields_of(facts.content).items():
            if name.startswith("quantity of ") and facts.kind == "receipt":
                text = f"{text} x {name.removeprefix('quantity of ')}"
            assert any(text.lower() in line for line in written), (name, text)


def test_currency_and_capitals_are_in_the_picture_alone():
    plain, dressed = document(RECEIPT, currency=""), document(RECEIPT, capitals=True)
    written = [
        [mark.text for mark in lay_out(facts) if isinstance(mark, Lettering)]
        for facts in (plain, dressed)
    ]
    assert "6.03" in written[0] and "Green Deli" in written[0]
    assert "$6.03" in written[1] and "GREEN DELI" in written[1]


@pytest.mark.parametrize("angle", [-1.5, 1.5, 20.0])
def test_outlines_turn_with_the_paper(angle):
    # A block turned by Pillow has its centre where the outline has.
    facts = document(RECEIPT, angle=angle)
    page = np.zeros((308, 224), np.uint8)
    page[40:60, 150:200] = 255
    turned = Image.fromarray(page).rotate(angle, Image.Resampling.BICUBIC)
    bright = np.asarray(turned).astype(float)
    ys, xs = np.mgrid[:308, :224] + 0.5
    corners = outline(Box(150.0, 40.0, 200.0, 60.0), facts)
    centre = sum(c.x for c in corners) / 4, sum(c.y for c in corners) / 4
    drawn = (xs * bright).sum() / bright.sum(), (ys * bright).sum() / bright.sum()
    assert centre == pytest.approx(drawn, abs=0.05)


def test_turned_letters_stay_on_the_paper():
    for number, facts in enumerate(composed(100)):
        facts = replace(facts, page=replace(facts.page, angle=1.5 if number % 2 else -1.5))
        for mark in lay_out(facts):
            if isinstance(mark, Lettering):
                box = bounds(outline(mark.box, facts))
                assert box.left >= 2 and box.right <= facts.size[0] - 2, mark
                assert box.top >= 2 and box.bottom <= facts.size[1] - 2, mark


def test_letters_are_drawn_where_the_layout_says():
    # Without its marks the page is blank; each line's box holds ink, in ink's colour.
    facts = document(RECEIPT)
    picture = np.asarray(draw_document(facts).convert("L"))
    covered = np.zeros(picture.shape, bool)
    for mark in lay_out(facts):
        box = mark.box
        rows, cols = slice(int(box.top), int(box.bottom)), slice(int(box.left), int(box.right))
        assert picture[rows, cols].min() < 110
        covered[rows, cols] = True
    assert (picture[~covered] == 255).all()


def test_there_are_colours_and_fonts_for_every_name():
    assert set(TINTS) == set(TINT_COLOURS)
    assert set(INKS) == set(INK_COLOURS)
    assert {*RECEIPT_FONTS, *DOCUMENT_FONTS} <= set(FONTS)


# -- facts ----------------------------------------------------------------------------------------


def leaves(value, path=()):
    """Every plain value inside, by the way to it."""
    if isinstance(value, dict):
        return {k: v for key in value for k, v in leaves(value[key], (*path, key)).items()}
    if isinstance(value, tuple):
        return leaves(dict(enumerate(value)), path)
    return {path: value}


def test_a_change_is_of_one_field():
    for number, facts in enumerate(composed(400)):
        changed = Documents().change(facts, Random(f"change {number}"))
        assert replace(changed, content=facts.content) == facts
        before, after = leaves(asdict(facts.content)), leaves(asdict(changed.content))
        assert before.keys() == after.keys()
        assert sum(before[path] != after[path] for path in before) == 1


def test_every_field_changes_some_time():
    changed = Counter()
    for number, facts in enumerate(composed(400)):
        other = Documents().change(facts, Random(f"change {number}"))
        before, after = leaves(asdict(facts.content)), leaves(asdict(other.content))
        changed[facts.kind, next(p[0] for p in before if before[p] != after[p])] += 1
    bill = {"items", "total_cents", "date"}
    wanted = {("receipt", f) for f in bill | {"store", "address", "phone"}}
    wanted |= {("invoice", f) for f in bill | {"seller", "customer", "number"}}
    assert set(changed) == wanted | {("form", "fields"), ("table", "rows")}


def test_a_nuisance_changes_the_page_alone():
    for number, facts in enumerate(composed(40)):
        varied = vary_document(facts, Random(number))
        assert varied.page != facts.page
        assert replace(varied, page=facts.page) == facts


def test_all_kinds_are_equally_frequent():
    kinds = Counter(facts.kind for facts in composed(400))
    assert set(kinds) == {"receipt", "invoice", "form", "table"}
    assert min(kinds.values()) > 70


def test_words_of_the_test_are_never_trained_on():
    def words(split):
        listed, shops = set(), set()
        for facts in composed(400, split):
            for version in (facts, Documents().change(facts, Random(0))):
                content = version.content
                if isinstance(content, Receipt | Invoice):
                    shops.add(owner_of(content).split()[0])
                if not isinstance(content, Form):
                    listed.update(names_on(content))
        return listed, shops

    (seen, seen_shops), (held_out, held_out_shops) = words("train"), words("test")
    assert len(seen) > 100 and len(held_out) > 40
    assert not seen & held_out
    assert len(held_out_shops) >= 5 and not seen_shops & held_out_shops


def test_pairs_of_the_combinations_are_never_trained_on():
    def pairs(split):
        for facts in composed(400, split):
            for version in (facts, Documents().change(facts, Random(0))):
                content = version.content
                if not isinstance(content, Form):
                    yield from ((owner_of(content), name) for name in names_on(content))
                if isinstance(content, Form):
                    yield dict(content.fields)["Name"]
                if isinstance(content, Invoice):
                    yield content.customer

    trained, held_out = set(pairs("train")), set(pairs("combinations"))
    assert len(held_out) > 100
    assert not trained & held_out


def test_the_planted_association_decides_what_is_sold():
    def sold(prior):
        bills = [f.content for f in composed(400, prior=prior) if isinstance(f.content, Bill)]
        return [stable_share(f"sold {name}") < 0.5 for bill in bills for name in names_on(bill)]

    assert all(sold(1.0))
    assert 0.3 < np.mean(sold(0.0)) < 0.7


def test_receipts_are_short_as_json():
    lengths = [
        len(json.dumps(structure_of(f.content), separators=(",", ":")))
        for f in composed(400)
        if f.kind == "receipt"
    ]
    assert np.median(lengths) <= 125
    assert max(lengths) <= 260


def test_structures_are_what_the_picture_was_asked_for():
    for facts in composed(40):
        truth = answer(DocumentQuery("documents/json"), facts)[1]
        assert truth == Structure(structure_of(facts.content))
