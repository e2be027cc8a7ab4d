"""Documents: receipts, invoices, forms and tables whose every word is known.

    compose   what is written: `facts` says what, `composing` makes it up
    render    `layout` places, `drawing` prints
    ask       `questions`, in the words of `wordings`

Training never meets a quarter of all names of shops, goods, people, streets and places (split
`test`), nor a fifth of the pairs of shop and item, first and last name, table and row (split
`combinations`). The planted association (`prior`) is that shops only ever sell the same half of
all goods. JSON answers have a fixed form for each kind of document:

    receipt   {"store","date","items":[{"name","qty","price"}],"total"}
    invoice   {"number","seller","customer","date","total"}
    form      {"title","fields":{label:text}}
    table     {"columns":[...],"rows":[[...]]}
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from triptych.data.worlds.documents.composing import (
    change_document,
    compose_document,
    vary_document,
)
from triptych.data.worlds.documents.drawing import draw_document
from triptych.data.worlds.documents.facts import Bill, DocumentFacts, fields_of, structure_of
from triptych.data.worlds.documents.layout import lay_out, outline, turned
from triptych.data.worlds.documents.questions import ask_document, contrast_documents
from triptych.data.worlds.lettering import Lettering
from triptych.data.worlds.marks import Mark, mark_lettering
from triptych.data.worlds.question import Question
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing


class Documents:
    """The world of documents; see `World` for what each method promises."""

    name = "documents"

    def compose(self, rng: Random, split: Split, prior: float) -> DocumentFacts:
        return compose_document(rng, split, prior)

    def change(self, facts: DocumentFacts, rng: Random) -> DocumentFacts:
        """One field says something else; the printed total may be right before, wrong after."""
        return change_document(facts, rng)

    def vary(self, facts: DocumentFacts, rng: Random) -> DocumentFacts:
        """Another font, tint, ink, turn and grain."""
        return vary_document(facts, rng)

    def render(self, facts: DocumentFacts) -> Drawing:
        return Drawing(pictures=(draw_document(facts),))

    def ask(self, facts: DocumentFacts, rng: Random, split: Split) -> list[Question]:
        return ask_document(facts, rng, split)

    def contrast(
        self, facts: DocumentFacts, changed: DocumentFacts, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        return contrast_documents(facts, changed, rng, split)

    def describe(self, facts: DocumentFacts) -> dict[str, Any]:
        """Lines with the corners they have in the picture, [x, y] from the top left one on."""
        content = facts.content
        return {
            "kind": facts.kind,
            "fields": fields_of(content),
            "structure": structure_of(content),
            "adds_up": content.adds_up if isinstance(content, Bill) else None,
            "lines": [
                {
                    "text": mark.text,
                    "corners": [[corner.x, corner.y] for corner in outline(mark.box, facts)],
                }
                for mark in lay_out(facts)
                if isinstance(mark, Lettering)
            ],
        }

    def marks(self, facts: DocumentFacts) -> Sequence[Sequence[Mark]]:
        """The letters, where they stand on the turned paper."""
        lines = [mark for mark in lay_out(facts) if isinstance(mark, Lettering)]
        letters = [each for n, line in enumerate(lines) for each in mark_lettering(line, n)]
        return [[replace(each, middle=turned(each.middle, facts)) for each in letters]]
