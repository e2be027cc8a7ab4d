"""Beam search against a search of every sequence, on a language small enough for that."""

from itertools import product

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, subject
from torch import Tensor

from triptych.generate import GenerationOptions, beam
from triptych.generate.beam import Hypothesis, beam_search

END, START, NUM_WORDS, LENGTH = 0, 4, 4, 3

TABLE = torch.tensor(
    [
        # end   1    2    3
        [1.00, 0.0, 0.0, 0.0],
        [0.10, 0.2, 0.3, 0.4],
        [0.90, 0.05, 0.03, 0.02],
        [0.60, 0.1, 0.1, 0.2],
        [0.02, 0.5, 0.4, 0.08],
    ]
).log()
"""Log-probability of each next word after each word; the last row begins."""

ROWS = (START, 2)
"""Two prompts: what each ends in."""


class Language:
    """Stands in for a model: the next word depends on the last one alone."""

    def __init__(self, last: Tensor) -> None:
        self.last = last

    @classmethod
    def start(cls, model: object, inputs: object, max_new_tokens: int) -> "tuple[Language, Tensor]":
        state = cls(torch.tensor(ROWS))
        return state, TABLE[state.last]

    def select(self, rows: Tensor) -> None:
        self.last = self.last[rows]

    def step(self, token_ids: Tensor) -> Tensor:
        self.last = token_ids
        return TABLE[token_ids]


@pytest.fixture
def search(monkeypatch):
    monkeypatch.setattr(beam, "DecodingState", Language)
    debug = subject("llava_debug")
    inputs = debug.processor.collate([debug.prompt(QUESTIONS[2])] * 2)

    def run(num_beams: int, length_penalty: float = 1.0) -> list[Hypothesis]:
        options = GenerationOptions(
            max_new_tokens=LENGTH, num_beams=num_beams, length_penalty=length_penalty
        )
        return beam_search(debug.model, inputs, options, [END])

    return run


def every_finished_sequence(start: int) -> list[Hypothesis]:
    found = []
    for length in range(1, LENGTH + 1):
        for words in product(range(1, NUM_WORDS), repeat=length - 1):
            ids = (*words, END)
            steps = zip((start, *words), ids, strict=True)
            total = float(sum(TABLE[before, after] for before, after in steps))
            found.append(Hypothesis(ids, total, True))
    return found


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_enough_beams_find_the_best_of_all_sequences(search, length_penalty):
    best = search(40, length_penalty)
    for start, found in zip(ROWS, best, strict=True):
        expected = max(every_finished_sequence(start), key=lambda each: each.score(length_penalty))
        assert found.token_ids == expected.token_ids
        assert found.log_probability == pytest.approx(expected.log_probability, abs=1e-5)


def test_two_beams_find_what_the_greedy_choice_misses(search):
    # Greedy begins with word 1 (0.5); the likelier sequence begins with word 2 (0.4).
    greedy, two = search(1)[0], search(2)[0]
    assert greedy.token_ids[0] == 1
    assert two.log_probability > greedy.log_probability


def test_without_an_end_the_likeliest_beginning_is_returned(search, monkeypatch):
    endless = TABLE.clone()
    endless[:, END] = -torch.inf
    monkeypatch.setitem(globals(), "TABLE", endless)
    best = search(3)[0]
    assert not best.ended and len(best.token_ids) == LENGTH


def test_a_score_is_the_log_probability_over_length_to_the_penalty():
    hypothesis = Hypothesis((1, 2, 3, 0), -8.0, True)
    assert [hypothesis.score(each) for each in (0.0, 1.0, 2.0)] == [-8.0, -2.0, -0.5]
