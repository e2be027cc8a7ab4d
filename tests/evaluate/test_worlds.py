"""The table of abilities: right answers score, and every row finds its questions."""

from itertools import islice

import pytest

from triptych.data.worlds import WORLDS, draw
from triptych.data.worlds.question import BoxPart, Number, PointPart, Question, Words
from triptych.errors import DataError, UnknownNameError
from triptych.evaluate.answers import Said, judge
from triptych.evaluate.worlds import ROWS, Row, _items, find_rows, prior_score
from triptych.text import Located, ThousandthsConfig


def as_said(question: Question, width: int, height: int) -> Said:
    """The answer that is trained on, as a perfect model would write it and be read."""
    written = ""
    for part in question.answer:
        if isinstance(part, str):
            written += part
            continue
        place = part.box if isinstance(part, BoxPart) else part.point
        segments = ThousandthsConfig().write(Located(place, part.label), width, height)
        written += "".join(segment.text for segment in segments)
    text = "".join(part for part in question.answer if isinstance(part, str))
    return Said(text, tuple(ThousandthsConfig().read(written, width, height)))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_answer_that_is_trained_on_is_right(world: str, split: str) -> None:
    for number in range(8):
        drawn = draw(f"{world}/{split}/{number}")
        size = drawn.drawing.pictures[0].size
        for question in drawn.questions:
            assert judge(question.truth, as_said(question, *size)).score == 1.0, question


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_questions_of_its_own(row: Row) -> None:
    items = list(_items(row, 3))
    assert len(items) == 3
    assert all(row.keep(item.question) for item in items)


def test_existence_is_balanced() -> None:
    row = find_rows(["existence, adversarial"])[0]
    yes = sum(item.question.answer == ("yes",) for item in islice(_items(row, 300), 300))
    assert 110 < yes < 190


def test_a_row_without_questions_is_given_up() -> None:
    row = Row(name="none", world="scenes", keep=lambda question: False)
    with pytest.raises(DataError, match="found 0 of 1"):
        list(_items(row, 1))


def test_an_unknown_row_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*chart value"):
        find_rows(["chart values"])
    assert find_rows([]) == ROWS


def test_the_prior_is_the_best_that_one_answer_can_do() -> None:
    def question(answer: str, kind: str = "w/q", **tags: str) -> Question:
        return Question(kind=kind, text="?", answer=(answer,), truth=Words((answer,)), tags=tags)

    assert prior_score([question("yes"), question("yes"), question("no")]) == pytest.approx(2 / 3)
    both = [question("yes"), question("no"), question("3", "w/n"), question("3", "w/n")]
    assert prior_score(both) == pytest.approx(3 / 4)
    red, large = question("red", attribute="colour"), question("large", attribute="size")
    assert prior_score([red, red, large, large]) == 1.0
    left, up = question("left", form="choice", axis="across"), question("above", axis="down")
    assert prior_score([left, left, up]) == 1.0
    number = Question(kind="w/n", text="?", answer=("100",), truth=Number(100.0, tolerance=0.05))
    near = Question(kind="w/n", text="?", answer=("104",), truth=Number(104.0, tolerance=0.05))
    assert prior_score([number, near]) == 1.0


def test_a_place_is_read_back_from_what_is_written() -> None:
    drawn = draw("scenes/test/1")
    width, height = drawn.drawing.pictures[0].size
    for question in drawn.questions:
        if any(isinstance(part, PointPart) for part in question.answer):
            assert as_said(question, width, height).located
