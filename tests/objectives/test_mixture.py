"""Objectives together: weights, shares of a step, and BLIP-2's first stage on its twin."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, subject
from tests.laws.debug_scorers import scorer

from triptych.errors import ConfigError, TrainingError
from triptych.inputs import VisualLabels
from triptych.objectives.captioning import captioning
from triptych.objectives.contrastive import contrastive, scores
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.matching import matching
from triptych.objectives.mixture import (
    COCA,
    Counts,
    Objectives,
    PairObjectives,
    count,
    count_pairs,
    mixed_loss,
    mixed_pair_loss,
)
from triptych.objectives.seeing import seeing

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}


@pytest.fixture(scope="module")
def debug():
    return subject("qwen2_vl_debug")


def described(debug, index: int, answer: str, seed: int):
    """A sample whose visual tokens are labelled at random, some of them not at all."""
    sample = debug.processor.encode(answered(QUESTIONS[index], answer))
    generator = torch.Generator().manual_seed(seed)
    labels = []
    for span in sample.spans:
        edges = torch.rand(span.num_slots, 4, generator=generator)
        edges[0] = torch.nan
        labels.append(
            VisualLabels(
                words=torch.randint(5, 50, (span.num_slots, 2, 2), generator=generator),
                weights=torch.rand(span.num_slots, 2, generator=generator),
                edges=edges,
            )
        )
    return replace(sample, visual_labels=tuple(labels))


@pytest.fixture(scope="module")
def samples(debug):
    return [described(debug, 0, "yes", 1), described(debug, 3, "a red circle", 2)]


def test_objectives_are_added_by_their_weights(debug, samples):
    inputs = debug.processor.collate(samples)
    objectives = Objectives(answering=2.0, seeing=0.5)
    found = mixed_loss(debug.model, inputs, objectives, count(inputs, objectives))
    answers = language_modelling(debug.model, inputs)
    look = float(seeing(debug.model, debug.model.encode(inputs), inputs.visual_labels).detach())
    mean = answers.nll / answers.num_tokens
    assert float(found.total.detach()) == pytest.approx(2 * mean + 0.5 * look, rel=1e-5)
    assert found.parts == pytest.approx({"answering": mean, "seeing": look}, rel=1e-5)


def test_shares_of_a_step_add_up_to_one_batch(debug, samples):
    objectives = Objectives(seeing=1.0)
    whole = debug.processor.collate(samples)
    parts = [debug.processor.collate([each]) for each in samples]
    counts = sum((count(each, objectives) for each in parts), Counts())
    assert counts.labels == count(whole, objectives).labels
    shares = [mixed_loss(debug.model, each, objectives, counts) for each in parts]
    found = mixed_loss(debug.model, whole, objectives, counts)
    assert sum(float(each.total.detach()) for each in shares) == pytest.approx(
        float(found.total.detach()), rel=1e-5
    )
    for name, value in found.parts.items():
        assert sum(each.parts[name] for each in shares) == pytest.approx(value, rel=1e-5)
    # Of unequal parts, so that a mean of means would be another number.
    assert count(parts[0], objectives).labels != count(parts[1], objectives).labels


def test_what_has_no_weight_is_not_computed(debug, samples):
    inputs = debug.processor.collate(samples)
    only = Objectives(answering=0.0, seeing=1.0)
    counts = count(inputs, only)
    assert (counts.labels, counts.pairs) == (0, 0)
    assert set(mixed_loss(debug.model, inputs, only, counts).parts) == {"seeing"}


def test_preferences_are_measured_from_a_reference(debug):
    pair = debug.processor.encode_answers(QUESTIONS[0], ["yes", "no"])
    inputs = debug.processor.collate([pair])
    objectives = Objectives(answering=0.0, preferring=1.0)
    counts = count(inputs, objectives)
    assert counts == Counts(pairs=1)
    found = mixed_loss(debug.model, inputs, objectives, counts, reference=debug.model)
    assert found.parts["preferring"] == pytest.approx(np.log(2), rel=1e-4)
    with pytest.raises(TrainingError, match="there is none"):
        mixed_loss(debug.model, inputs, objectives, counts)


@pytest.mark.parametrize("config", [Objectives, PairObjectives])
def test_impossible_weights_are_refused(config):
    names = [name for name in config.__dataclass_fields__ if name.endswith("ing")]
    names.remove("label_smoothing")
    assert len(names) == 3
    with pytest.raises(ConfigError, match="are all 0, so nothing would be learned"):
        config(**dict.fromkeys(names, 0.0))
    with pytest.raises(ConfigError, match=f"{names[1]} must be at least 0, got -1"):
        config(**{names[1]: -1.0})
    with pytest.raises(ConfigError, match="label_smoothing must be in"):
        config(label_smoothing=1.0)


def stage_1():
    """BLIP-2's first stage on the debug twin: four colours and their names."""
    debug = scorer("blip2_itm_debug")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = replace(debug.architecture.model, pretraining=True).build().eval()
    pictures = [np.full((30, 30, 3), colour, np.uint8) for colour in COLOURS.values()]
    return model, debug.processor.encode(pictures, list(COLOURS))


def test_a_stage_of_three_objectives_is_their_weighted_sum():
    model, inputs = stage_1()
    objectives = PairObjectives(contrasting=1.0, matching=2.0, captioning=0.5)
    counts = count_pairs(inputs)
    found = mixed_pair_loss(model, inputs, objectives, counts, torch.Generator().manual_seed(1))
    features = model.vision(inputs.pixels)
    alike = scores(
        model,
        model.embed_features(features),
        model.embed_texts(inputs.token_ids, inputs.token_mask),
    )
    apart = contrastive(model, inputs, label_smoothing=0.1)
    together = matching(model, features, inputs, alike, torch.Generator().manual_seed(1))
    written = captioning(model, features, inputs, label_smoothing=0.1)
    expected = apart + 2 * together + 0.5 * written.total / written.num_tokens
    assert float(found.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert found.parts["captioning"] == pytest.approx(written.nll / written.num_tokens, rel=1e-5)


def test_blip_2s_first_stage_learns_all_three():
    model, inputs = stage_1()
    model.vision.requires_grad_(False)
    learned = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=4e-3)
    generator = torch.Generator().manual_seed(0)
    frozen = [each.clone() for each in model.vision.parameters()]
    history = []
    for _ in range(150):
        optimizer.zero_grad()
        mixed = mixed_pair_loss(
            model, inputs, PairObjectives(label_smoothing=0.0), count_pairs(inputs), generator
        )
        mixed.total.backward()
        optimizer.step()
        history.append(mixed.parts)
    assert set(history[0]) == {"contrasting", "matching", "captioning"}
    for name in history[0]:
        assert history[-1][name] < history[0][name] / 4, name
    assert all(map(torch.equal, model.vision.parameters(), frozen))
    with torch.no_grad():
        # The probes of the first two: retrieval and matching, by the model as it is published.
        found = model.without_pretraining().score(inputs)
    assert found.similarities.argmax(dim=1).tolist() == [0, 1, 2, 3]
    own = torch.eye(4, dtype=torch.bool)
    assert found.probabilities[own].min() > found.probabilities[~own].max()


def test_cocas_mixture_leaves_matching_out():
    model, inputs = stage_1()
    found = mixed_pair_loss(model, inputs, COCA, count_pairs(inputs), torch.Generator())
    assert set(found.parts) == {"contrasting", "captioning"}
    expected = found.parts["contrasting"] + 2 * found.parts["captioning"]
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_trained_matcher_is_saved_without_what_only_training_needs():
    model, _ = stage_1()
    plain = model.without_pretraining()
    assert plain.config == scorer("blip2_itm_debug").architecture.model
    extra = set(model.state_dict()) - set(plain.state_dict())
    assert extra == {
        "fusion.log_scale",
        "fusion.word_head.bias",
        *(f"fusion.word_head.{n}.{k}" for n in ("dense", "norm") for k in ("weight", "bias")),
    }
    assert not any(each.is_meta for each in plain.parameters())
