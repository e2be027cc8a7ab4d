"""Models run on another device than the processor, with no tensor left behind."""

import pytest
import torch
from tests.elsewhere import ELSEWHERE, DeviceMixError, elsewhere, moved
from tests.laws.debug_models import DEBUG_NAMES, QUESTIONS, answered, build_subject, subject

from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions, generate
from triptych.generate.contrast import Contrast
from triptych.objectives.language_modelling import language_modelling

WAYS = {
    "greedy": GenerationOptions(max_new_tokens=3),
    "drawn": GenerationOptions(
        max_new_tokens=3, temperature=0.9, top_k=50, top_p=0.9, min_p=0.01, num_alternatives=2
    ),
    "contrast": GenerationOptions(
        max_new_tokens=3, contrast=Contrast(), repetition_penalty=1.2, lookup=2
    ),
    "beams": GenerationOptions(max_new_tokens=3, num_beams=2),
}


def test_tensors_of_two_devices_are_noticed():
    with elsewhere():
        there = torch.ones(2, device=ELSEWHERE)
        assert (there + there.to("cpu").to(ELSEWHERE)).tolist() == [2.0, 2.0]
        with pytest.raises(DeviceMixError, match=r"\(2,\)"):
            there + torch.ones(2)


def answers(debug, options):
    # Two begin alike, so that attention is joined from parts.
    prompts = [debug.prompt(QUESTIONS[n]) for n in (0, 2, 3, 0)]
    engine = GenerationEngine(debug.model, debug.processor, EngineConfig(memory_bytes=10**8))
    found = generate(debug.model, debug.processor, prompts, options, engine)
    return [completion.token_ids for completion in found]


TRIED = [(name, "greedy") for name in DEBUG_NAMES]
TRIED += [("qwen2_vl_debug", way) for way in ("drawn", "contrast", "beams")]
TRIED += [("flamingo_debug", "beams"), ("git_debug", "contrast")]


@pytest.mark.parametrize(("name", "way"), TRIED)
def test_a_model_elsewhere_answers_the_same(name, way):
    expected = answers(subject(name), WAYS[way])
    there = build_subject(name)
    with elsewhere():
        moved(there.model)
        assert there.model.device == ELSEWHERE
        assert answers(there, WAYS[way]) == expected


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_a_model_elsewhere_learns_the_same(name):
    def gradients(debug):
        samples = [debug.processor.encode(answered(q, "a red cross")) for q in QUESTIONS]
        loss = language_modelling(debug.model, debug.processor.collate(samples), 0.1)
        loss.total.backward()
        named = debug.model.named_parameters()
        return {n: each.grad.cpu() for n, each in named if each.grad is not None}

    expected = gradients(build_subject(name))
    there = build_subject(name)
    with elsewhere():
        moved(there.model)
        found = gradients(there)
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        torch.testing.assert_close(found[parameter], gradient, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "way"), TRIED)
def test_a_model_in_bfloat16_answers(name, way):
    half = build_subject(name)
    half.model.bfloat16()
    assert all(answers(half, WAYS[way]))
    with elsewhere():
        moved(half.model)
        assert all(answers(half, WAYS[way]))
