"""What charts and documents promise alike, over many numbers."""

import json
from collections import Counter
from functools import lru_cache

import pytest
from PIL import Image

from triptych.data.worlds.charts import Charts
from triptych.data.worlds.charts import layout as chart_layout
from triptych.data.worlds.charts.wordings import CHART_PHRASES
from triptych.data.worlds.documents import Documents
from triptych.data.worlds.documents import layout as document_layout
from triptych.data.worlds.documents.wordings import DOCUMENT_PHRASES
from triptych.data.worlds.fonts import font
from triptych.data.worlds.lettering import Lettering, font_size, overlapping
from triptych.data.worlds.question import Number, Structure, Words
from triptych.data.worlds.wording import SPLITS
from triptych.data.worlds.world import SampleId, World, draw_from, draw_pair
from triptych.data.worlds.world import facts_of as world_facts_of

KINDS = {
    "charts": "value extreme comparison trend difference title table",
    "documents": "field json check kind existence",
}


WORLDS = [Charts(), Documents()]


@pytest.fixture(params=WORLDS, ids=lambda world: world.name)
def world(request):
    return request.param


@lru_cache(maxsize=2048)
def facts_of(world, sample_id):
    # Made once for all tests; facts are frozen.
    return world_facts_of(world, sample_id)


def twins(world, count):
    """Samples with their twins' facts."""
    for sample_id in sample_ids(world, count):
        facts = facts_of(world, sample_id)
        yield sample_id, facts, world.change(facts, sample_id.rng("change"))


def sample_ids(world, count, variant=""):
    """So many numbers, the splits in turn."""
    return [
        SampleId(world=world.name, split=SPLITS[number % 4], number=number, variant=variant)
        for number in range(count)
    ]


@lru_cache(maxsize=32)
def questions(world, count, split="train"):
    """Everything that is asked about so many samples."""
    ids = [SampleId(world=world.name, split=split, number=number) for number in range(count)]
    return [q for i in ids for q in world.ask(facts_of(world, i), i.rng("ask"), split)]


def letterings(world, facts):
    if world.name == "charts":
        return chart_layout.lay_out(facts).texts
    return [mark for mark in document_layout.lay_out(facts) if isinstance(mark, Lettering)]


def test_it_is_a_world(world):
    assert isinstance(world, World)


def test_equal_ids_give_equal_pixels_and_questions(world):
    for variant in ("", "twin", "nuisance-3"):
        for sample_id in sample_ids(world, 8, variant):
            first, second = draw_from(world, sample_id), draw_from(world, sample_id)
            assert first.drawing.pictures[0].tobytes() == second.drawing.pictures[0].tobytes()
            assert first.questions == second.questions
            assert first.truth == second.truth


def test_other_numbers_give_other_pictures(world):
    drawn = {draw_from(world, i).drawing.pictures[0].tobytes() for i in sample_ids(world, 24)}
    assert len(drawn) == 24


def test_pictures_are_whole_tokens_of_colour(world):
    for sample_id in sample_ids(world, 40):
        (picture,) = world.render(facts_of(world, sample_id)).pictures
        assert picture.mode == "RGB"
        assert picture.width % 28 == picture.height % 28 == 0
        assert picture.width * picture.height <= 28 * 28 * 144


def test_a_twin_is_asked_in_the_same_words_and_answers_otherwise(world):
    for sample_id, facts, changed in twins(world, 60):
        question, other = world.contrast(facts, changed, sample_id.rng("contrast"), sample_id.split)
        assert question.text == other.text
        assert question.kind == other.kind
        assert question.answer != other.answer
        assert question.truth != other.truth


def test_a_pair_shows_two_pictures(world):
    for sample_id in sample_ids(world, 12):
        pair = draw_pair(world, sample_id)
        picture, twin = pair.drawing.pictures[0], pair.twin.pictures[0]
        assert picture.size == twin.size
        assert picture.tobytes() != twin.tobytes()


def test_twins_are_contrasted_by_many_kinds(world):
    kinds = Counter[str]()
    for sample_id, facts, changed in twins(world, 60):
        question, _ = world.contrast(facts, changed, sample_id.rng("contrast"), "train")
        kinds[question.kind.split("/")[1]] += 1
    never = {"title"} if world.name == "charts" else {"kind"}
    assert set(kinds) == set(KINDS[world.name].split()) - never
    assert min(kinds.values()) >= 2


def test_a_nuisance_changes_pixels_and_no_answer(world):
    for sample_id in sample_ids(world, 80):
        facts = facts_of(world, sample_id)
        varied = world.vary(facts, sample_id.rng("nuisance-1"))
        ask = [world.ask(f, sample_id.rng("ask"), sample_id.split) for f in (facts, varied)]
        assert ask[0] == ask[1]
        if sample_id.number < 12:
            pictures = [world.render(f).pictures[0].tobytes() for f in (facts, varied)]
            assert pictures[0] != pictures[1]


def test_json_answers_parse_and_equal_the_truth(world):
    found = [q for q in questions(world, 150) if isinstance(q.truth, Structure)]
    assert len(found) > 100
    for question in found:
        (text,) = question.answer
        assert json.loads(text) == question.truth.value
        assert ": " not in text and ", " not in text.replace(
            question.truth.value.get("title", "\0"), ""
        )


def test_what_is_trained_on_is_accepted(world):
    for question in questions(world, 150):
        (text,) = question.answer
        if isinstance(question.truth, Words):
            assert text == question.truth.accepted[0]
        if isinstance(question.truth, Number):
            assert int(text) == question.truth.value
            assert question.truth.tolerance == 0.05


def test_yes_and_no_are_balanced(world):
    answers = Counter[tuple[str, str]]()
    for question in questions(world, 150):
        if question.answer[0] in ("yes", "no"):
            answers[question.kind, question.answer[0]] += 1
    kinds = {kind for kind, _ in answers}
    assert kinds == {"charts/comparison"} & kinds or kinds == {
        "documents/check",
        "documents/existence",
    }
    for kind in kinds:
        share = answers[kind, "yes"] / (answers[kind, "yes"] + answers[kind, "no"])
        # Four standard deviations of the rarest kind.
        assert 0.3 < share < 0.7, kind


def test_every_kind_is_asked_and_six_to_twelve_at_a_time(world):
    kinds = {question.kind for question in questions(world, 150)}
    assert kinds == {f"{world.name}/{kind}" for kind in KINDS[world.name].split()}
    for sample_id in sample_ids(world, 60):
        asked = world.ask(facts_of(world, sample_id), sample_id.rng("ask"), sample_id.split)
        # A pie without numbers leaves little to ask.
        assert 5 <= len(asked) <= 12


@pytest.mark.parametrize("phrases", [CHART_PHRASES, DOCUMENT_PHRASES], ids=["charts", "documents"])
def test_there_are_enough_wordings(phrases):
    for kind, ways in phrases.items():
        assert len(set(ways.seen)) >= 10, kind
        assert len(set(ways.unseen)) >= 3, kind


def test_the_test_is_worded_otherwise(world):
    # Kinds without names in their words, so that whole texts can be compared.
    plain = ("charts/title", "documents/kind")
    train = {q.text for q in questions(world, 150) if q.kind in plain}
    test = {q.text for q in questions(world, 150, "test") if q.kind in plain}
    assert train and test and not train & test


def test_letters_stay_on_the_picture_and_off_each_other(world):
    for sample_id, facts, changed in twins(world, 60):
        for version in (facts, changed, world.vary(facts, sample_id.rng("vary"))):
            lines = letterings(world, version)
            assert overlapping(lines) == [], sample_id
            for line in lines:
                assert line.box.left >= 2 and line.box.right <= version.size[0] - 2, line
                assert line.box.top >= 2 and line.box.bottom <= version.size[1] - 2, line


def test_lines_are_tall_enough_to_read(world):
    for sample_id in sample_ids(world, 60):
        for line in letterings(world, facts_of(world, sample_id)):
            assert sum(font(line.font, font_size(line.font, line.size)).getmetrics()) >= 12, line


def test_descriptions_are_plain_json(world):
    for sample_id in sample_ids(world, 20):
        truth = world.describe(facts_of(world, sample_id))
        assert json.loads(json.dumps(truth)) == truth


def test_drawing_leaves_no_picture_blank(world):
    for sample_id in sample_ids(world, 20):
        picture: Image.Image = draw_from(world, sample_id).drawing.pictures[0]
        low, high = picture.convert("L").getextrema()
        assert high - low > 120
