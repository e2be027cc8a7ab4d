"""How well a model knows the drawn worlds: one row for each ability, on pictures never trained on.

Every row takes new pictures and held-out wordings, asks one question a picture, and gives the
share of right answers with a 95 % interval, the share that could not be parsed, and the same
questions about a blank picture: what the model gets right without looking.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from triptych.data.worlds import find_world
from triptych.data.worlds.question import Question
from triptych.data.worlds.samples import encode_drawing, prompt
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing, SampleId, blanked, draw_from, draw_pair
from triptych.errors import DataError, UnknownNameError
from triptych.evaluate.answers import Said, judge
from triptych.evaluate.statistics import Interval, mean_interval
from triptych.fusion.vlm import VLM
from triptych.generate import Completion, GenerationOptions, generate
from triptych.processor import Processor

Keep = Callable[[Question], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ability."""

    name: str
    world: str
    keep: Keep
    """Which questions belong to it."""
    split: Split = "test"
    bar: float | None = None
    """What the embedded model is meant to reach."""
    max_new_tokens: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """How a model did in one row."""

    row: Row
    score: Interval
    blank: Interval
    """The same questions about a blank picture."""
    prior: float
    """Score of always giving the commonest right answer to what is asked."""
    share_unparsed: float
    share_ended: float
    num_items: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "row": self.row.name,
            "score": self.score.mean,
            "low": self.score.low,
            "high": self.score.high,
            "blank": self.blank.mean,
            "prior": self.prior,
            "unparsed": self.share_unparsed,
            "ended": self.share_ended,
            "items": self.num_items,
            "bar": self.row.bar,
        }


def _kind(*kinds: str, **tags: object) -> Keep:
    """Questions of one of these kinds with these tags."""

    def keep(question: Question) -> bool:
        tagged = all(question.tags.get(name) == value for name, value in tags.items())
        return question.kind in kinds and tagged

    return keep


def _count_between(low: int, high: int) -> Keep:
    def keep(question: Question) -> bool:
        return question.kind == "scenes/count" and low <= int(question.tags["count"]) <= high

    return keep


def _short_signs(question: Question) -> bool:
    is_reading = question.kind in ("signs/read", "signs/read_one")
    return (
        is_reading and int(question.tags["length"]) <= 10 and float(question.tags["height"]) >= 14
    )


ROWS: tuple[Row, ...] = (
    Row(
        name="existence, adversarial",
        world="scenes",
        keep=_kind("scenes/existence", family="adversarial"),
        bar=0.95,
    ),
    Row(name="attribute", world="scenes", keep=_kind("scenes/attribute"), bar=0.95),
    Row(
        name="attribute, held out",
        world="scenes",
        keep=_kind("scenes/attribute", held_out=True),
        split="combinations",
    ),
    Row(name="count 1-6", world="scenes", keep=_count_between(1, 6), bar=0.92),
    Row(name="count 7-9", world="scenes", keep=_count_between(7, 9), bar=0.75),
    Row(name="spatial relation", world="scenes", keep=_kind("scenes/relation"), bar=0.93),
    Row(name="referring box", world="scenes", keep=_kind("scenes/locate"), bar=0.88),
    Row(name="referring point", world="scenes", keep=_kind("scenes/point"), bar=0.93),
    Row(name="sign reading", world="signs", keep=_short_signs, bar=0.88),
    Row(name="chart value", world="charts", keep=_kind("charts/value"), bar=0.80),
    Row(
        name="receipt to JSON",
        world="documents",
        keep=_kind("documents/json", document="receipt"),
        bar=0.85,
        max_new_tokens=400,
    ),
    Row(name="screen click", world="screens", keep=_kind("screens/click"), bar=0.92),
    Row(name="clip direction", world="clips", keep=_kind("clips/direction"), bar=0.92),
    Row(name="clip order", world="clips", keep=_kind("clips/order"), bar=0.85),
)
"""The table of the model card; `both twins` is a row of its own, see `evaluate_pairs`."""


def find_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """Rows by name; none means all.

    Raises:
        UnknownNameError: there is none of that name.
    """
    known = {row.name: row for row in ROWS}
    for name in names:
        if name not in known:
            raise UnknownNameError("row", name, known)
    return tuple(known[name] for name in names) or ROWS


@dataclass(frozen=True, slots=True)
class _Item:
    drawing: Drawing
    question: Question


def evaluate_rows(
    model: VLM,
    processor: Processor,
    rows: Sequence[Row],
    num_items: int,
    *,
    batch_size: int = 16,
) -> Iterator[RowResult]:
    """Every row on `num_items` questions about as many pictures."""
    for row in rows:
        items = list(_items(row, num_items))
        options = GenerationOptions(max_new_tokens=row.max_new_tokens)
        said = _answers(model, processor, items, options, batch_size, row.name)
        blanks = [_Item(blanked(item.drawing), item.question) for item in items]
        unseen = _answers(model, processor, blanks, options, batch_size, f"{row.name}, blank")
        verdicts = [judge(i.question.truth, s) for i, (s, _) in zip(items, said, strict=True)]
        controls = [judge(i.question.truth, s) for i, (s, _) in zip(items, unseen, strict=True)]
        yield RowResult(
            row=row,
            score=mean_interval([verdict.score for verdict in verdicts]),
            blank=mean_interval([verdict.score for verdict in controls]),
            prior=prior_score([item.question for item in items]),
            share_unparsed=sum(not verdict.is_parsed for verdict in verdicts) / len(verdicts),
            share_ended=sum(done.ended for _, done in said) / len(said),
            num_items=len(items),
        )


def evaluate_pairs(
    model: VLM, processor: Processor, num_pairs: int, *, batch_size: int = 16
) -> Interval:
    """Share of balanced pairs of scenes of which both twins are answered rightly."""
    world = find_world("scenes")
    items: list[_Item] = []
    for number in range(num_pairs):
        pair = draw_pair(world, SampleId(world="scenes", split="test", number=number))
        items.append(_Item(pair.drawing, pair.question))
        items.append(_Item(pair.twin, pair.twin_question))
    said = _answers(model, processor, items, GenerationOptions(), batch_size, "both twins")
    right = [judge(i.question.truth, s).score == 1 for i, (s, _) in zip(items, said, strict=True)]
    both = [a and b for a, b in zip(right[::2], right[1::2], strict=True)]
    return mean_interval([float(each) for each in both])


PAIRS_BAR = 0.80
"""What the embedded model is meant to reach for both twins."""

MOST_PICTURES = 100
"""Pictures looked through for one question of a row, on average, before giving up."""


def _items(row: Row, num_items: int) -> Iterator[_Item]:
    """One question a picture, from as many pictures as it takes.

    Raises:
        DataError: hardly any picture of the world has such a question.
    """
    world, found = find_world(row.world), 0
    for number in range(MOST_PICTURES * num_items):
        drawn = draw_from(world, SampleId(world=row.world, split=row.split, number=number))
        fitting = [question for question in drawn.questions if row.keep(question)]
        if fitting:
            found += 1
            yield _Item(drawn.drawing, Random(number).choice(fitting))
        if found == num_items:
            return
    raise DataError(
        f"the row {row.name!r} found {found} of {num_items} questions in "
        f"{MOST_PICTURES * num_items} pictures of {row.world}; ask for fewer items"
    )


ASKED_BY = ("attribute", "form", "axis")
"""Tags that tell apart what questions of one kind ask for."""


def prior_score(questions: Sequence[Question]) -> float:
    """Best score that one and the same answer gives to all questions that ask for one thing."""
    texts = sorted({_text(question) for question in questions})
    by_kind: dict[tuple[object, ...], list[Question]] = {}
    for question in questions:
        asked = (question.kind, *(question.tags.get(tag) for tag in ASKED_BY))
        by_kind.setdefault(asked, []).append(question)
    total = sum(
        max(sum(judge(q.truth, Said(text)).score for q in group) for text in texts[:200])
        for group in by_kind.values()
    )
    return total / len(questions)


def _text(question: Question) -> str:
    return "".join(part for part in question.answer if isinstance(part, str))


def _answers(
    model: VLM,
    processor: Processor,
    items: Sequence[_Item],
    options: GenerationOptions,
    batch_size: int,
    name: str,
) -> list[tuple[Said, Completion]]:
    answers: list[tuple[Said, Completion]] = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=len(items))
        for start in range(0, len(items), batch_size):
            batch = items[start : start + batch_size]
            samples = [
                processor.encode(
                    prompt(item.drawing, item.question.text),
                    add_generation_prompt=True,
                    features=encode_drawing(processor, item.drawing),
                )
                for item in batch
            ]
            completions = generate(model, processor, samples, options)
            answers += [
                (said(processor, item.drawing, completion), completion)
                for item, completion in zip(batch, completions, strict=True)
            ]
            progress.advance(task, len(batch))
    return answers


def said(processor: Processor, drawing: Drawing, completion: Completion) -> Said:
    """A completion as text and places in the first picture."""
    if processor.config.coordinates is None:
        return Said(completion.text.strip())
    width, height = drawing.pictures[0].size
    raw = processor.tokenizer.decode(completion.token_ids, skip_special=False)
    return Said(completion.text.strip(), tuple(processor.read_places(raw, width, height)))


def evaluate_model(
    model: VLM,
    processor: Processor,
    rows: Sequence[Row],
    num_items: int,
    *,
    batch_size: int = 32,
) -> dict[str, dict[str, Any]]:
    """The table as plain values by row; `both twins` stands last when all rows are asked for."""
    results = evaluate_rows(model, processor, rows, num_items, batch_size=batch_size)
    found = {result.row.name: result.as_dict() for result in results}
    if any(row.world == "scenes" for row in rows):
        both = evaluate_pairs(model, processor, num_items, batch_size=batch_size)
        found["both twins"] = {
            "row": "both twins",
            "score": both.mean,
            "low": both.low,
            "high": both.high,
            "items": num_items,
            "bar": PAIRS_BAR,
        }
    return found


def print_table(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Print one line for each row: its score and the ends of its interval in per cent, what a blank
    picture and the commonest answer get, and the bar; yellow where that is missed."""
    table = Table("ability", box=None)
    for name in ("score", "95 %", "blank", "prior", "unparsed", "bar", "items"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in found.items():
        met = row["bar"] is None or row["score"] >= row["bar"]
        table.add_row(
            name,
            f"{row['score']:.1%}",
            f"{100 * row['low']:.1f}-{100 * row['high']:.1f}",
            _percent(row.get("blank")),
            _percent(row.get("prior")),
            _percent(row.get("unparsed")),
            _percent(row["bar"]),
            str(row["items"]),
            style="" if met else "yellow",
        )
    Console(highlight=False).print(table)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
