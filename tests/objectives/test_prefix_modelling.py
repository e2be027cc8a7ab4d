"""Learning from prefixes: where the cut falls, who sees whom, what is learned."""

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, subject
from torch.nn import functional

from triptych.errors import TokenError
from triptych.inputs import IGNORED
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.prefix_modelling import cut, cut_somewhere


@pytest.fixture(scope="module")
def debug():
    return subject("llava_1_5_debug")


@pytest.fixture(scope="module")
def sample(debug):
    return debug.processor.encode(answered(QUESTIONS[0], "a red circle"), sample_id="one")


def test_all_behind_the_cut_is_learned_and_nothing_before_it(sample):
    found = cut(sample, 150)
    assert found.labels == [IGNORED] * 150 + sample.token_ids[150:]
    assert found.num_mutual == 150


@torch.no_grad()
def test_the_prefix_sees_itself_and_the_rest_is_causal(debug, sample):
    border, length = sample.spans[-1].stop + 3, len(sample.token_ids)
    whole = debug.processor.collate([cut(sample, border)])

    def moved(position: int) -> torch.Tensor:
        """Whose logits change with a token."""
        token_ids = whole.token_ids.clone()
        token_ids[0, position] += 1
        changed = debug.processor.collate([cut(sample, border)])
        changed.token_ids[:] = token_ids
        return (debug.model(changed) - debug.model(whole)).abs().amax(dim=-1)[0] > 1e-6

    assert moved(border - 1).all()
    assert moved(length - 2).tolist() == [False] * (length - 2) + [True] * 2


def test_the_loss_is_that_of_the_rest(debug, sample):
    inputs = debug.processor.collate([cut(sample, len(sample.token_ids) - 4)])
    logits = debug.model(inputs)[0, -5:-1]
    expected = functional.cross_entropy(logits, inputs.token_ids[0, -4:], reduction="sum")
    found = language_modelling(debug.model, inputs)
    assert found.nll == pytest.approx(float(expected.detach()), rel=1e-5)
    assert found.num_tokens == 4


def test_cuts_fall_everywhere_behind_the_pictures(sample):
    generator = torch.Generator().manual_seed(0)
    found = {cut_somewhere(sample, generator).num_mutual for _ in range(400)}
    assert found == set(range(sample.spans[-1].stop, len(sample.token_ids)))


def test_prefixes_share_a_row(debug, sample):
    samples = [cut(sample, 150), cut(sample, len(sample.token_ids) - 2)]
    apart = [language_modelling(debug.model, debug.processor.collate([each])) for each in samples]
    packed = language_modelling(debug.model, debug.processor.pack([samples]))
    assert packed.nll == pytest.approx(sum(each.nll for each in apart), rel=1e-6)


def test_a_cut_in_a_picture_or_behind_the_end_is_refused(sample):
    for place in (0, sample.spans[0].stop - 1, len(sample.token_ids)):
        with pytest.raises(TokenError, match=f"sample one has .* cannot be cut at {place}"):
            cut(sample, place)


def test_several_conversations_are_refused(debug):
    sample = debug.processor.encode_answers(QUESTIONS[0], ["yes", "no"])
    with pytest.raises(TokenError, match="encode them one by one"):
        cut_somewhere(sample, torch.Generator())
