"""What can be asked about a document, and what is true.

A query says what is asked without its words, so that the same query can be put to a document and
to its twin: only the answers differ.
"""

import json
from dataclasses import dataclass
from random import Random

from triptych.data.worlds.documents.facts import (
    Bill,
    DocumentFacts,
    fields_of,
    keys_of,
    names_on,
    possible_names,
    structure_of,
)
from triptych.data.worlds.documents.wordings import DOCUMENT_PHRASES
from triptych.data.worlds.held_out import words_for
from triptych.data.worlds.question import Question, Structure, Truth, Words
from triptych.data.worlds.wording import Split, word


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Something to ask."""

    kind: str
    subject: str = ""
    """The field, or the name that may be listed."""


_NUM_FIELDS = 4
_NUM_NAMES = 2


def ask_document(facts: DocumentFacts, rng: Random, split: Split) -> list[Question]:
    """Questions of every kind that the document allows, in random order."""
    fields = list(fields_of(facts.content))
    chosen = rng.sample(fields, min(_NUM_FIELDS, len(fields)))
    queries = [DocumentQuery("documents/field", field) for field in chosen]
    queries += [DocumentQuery("documents/json"), DocumentQuery("documents/kind")]
    if isinstance(facts.content, Bill):
        queries.append(DocumentQuery("documents/check"))
    names = {_name_to_ask(facts, rng) for _ in range(_NUM_NAMES)}
    queries += [DocumentQuery("documents/existence", name) for name in sorted(names)]
    rng.shuffle(queries)
    return [put(query, facts, rng, split) for query in queries]


def _name_to_ask(facts: DocumentFacts, rng: Random) -> str:
    """Something listed, or every second time something that is not."""
    listed = names_on(facts.content)
    if rng.random() < 0.5:
        return rng.choice(listed)
    pool = possible_names(facts.content)
    # Labels of forms are few and the same everywhere; other names are those of the split.
    pool = pool if facts.kind == "form" else words_for(pool, facts.words)
    return rng.choice([name for name in pool if name not in listed])


def contrast_documents(
    facts: DocumentFacts, changed: DocumentFacts, rng: Random, split: Split
) -> tuple[Question, Question]:
    """One question whose answer differs between the two; its kind is drawn first, evenly."""
    by_kind: dict[str, list[DocumentQuery]] = {}
    for query in _comparable(facts, changed):
        if answer(query, facts) != answer(query, changed):
            by_kind.setdefault(query.kind, []).append(query)
    query, seed = rng.choice(by_kind[rng.choice(sorted(by_kind))]), rng.getrandbits(64)
    first, second = (put(query, page, Random(seed), split) for page in (facts, changed))
    return first, second


def _comparable(facts: DocumentFacts, changed: DocumentFacts) -> list[DocumentQuery]:
    """What can be asked about both."""
    shared = [name for name in fields_of(facts.content) if name in fields_of(changed.content)]
    names = sorted({*names_on(facts.content), *names_on(changed.content)})
    return [
        *(DocumentQuery("documents/field", name) for name in shared),
        *(DocumentQuery("documents/existence", name) for name in names),
        *([DocumentQuery("documents/check")] if isinstance(facts.content, Bill) else []),
        DocumentQuery("documents/json"),
    ]


def put(query: DocumentQuery, facts: DocumentFacts, rng: Random, split: Split) -> Question:
    """A query in words, with its answer. The words depend on nothing that `change` changes."""
    is_label = query.kind == "documents/existence" and facts.kind == "form"
    text = word(
        DOCUMENT_PHRASES,
        "documents/label" if is_label else query.kind,
        rng,
        split,
        field=query.subject,
        name=query.subject.lower() if is_label else query.subject,
        keys=_enumerate(keys_of(facts.content)),
        document=facts.kind,
    )
    said, truth = answer(query, facts)
    return Question(
        kind=query.kind, text=text, answer=(said,), truth=truth, tags=_tags(query, facts, said)
    )


def answer(query: DocumentQuery, facts: DocumentFacts) -> tuple[str, Truth]:
    """What to say, and what counts as right."""
    content = facts.content
    match query.kind:
        case "documents/field":
            text = fields_of(content)[query.subject]
            is_amount = query.subject == "total" or query.subject.startswith("price of ")
            return text, Words((text, f"${text}") if is_amount else (text,))
        case "documents/json":
            value = structure_of(content)
            return json.dumps(value, separators=(",", ":")), Structure(value)
        case "documents/check":
            assert isinstance(content, Bill)
            return _yes_or_no(content.adds_up)
        case "documents/existence":
            return _yes_or_no(query.subject in names_on(content))
        case _:
            return facts.kind, Words((facts.kind,))


def _yes_or_no(true: bool) -> tuple[str, Truth]:
    said = "yes" if true else "no"
    return said, Words((said,))


def _tags(
    query: DocumentQuery, facts: DocumentFacts, said: str
) -> dict[str, str | int | float | bool]:
    tags: dict[str, str | int | float | bool] = {"document": facts.kind}
    if query.kind == "documents/field":
        tags["field"] = query.subject.split(" of ")[0].split(" for ")[0]
    if query.kind == "documents/existence":
        tags["present"] = said == "yes"
    if isinstance(facts.content, Bill):
        tags["items"] = len(facts.content.items)
    return tags


def _enumerate(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
