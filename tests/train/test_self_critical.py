"""A model learns from its own answers by how good they turn out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run

from triptych.errors import ConfigError
from triptych.objectives.language_modelling import language_modelling
from triptych.processor import Sample
from triptych.sequences import answered
from triptych.train import PanelRates, SelfCritical, SelfCriticalConfig, fit
from triptych.train.record import read_record
from triptych.train.self_critical import advantages, sample_answers

ANSWERS = SelfCriticalConfig(num_answers=3, max_new_tokens=5)


def prompts_of(run: TinyRun, count: int) -> list[Sample]:
    samples = [run.source.sample(index, torch.Generator()) for index in range(count)]
    return [answered(run.processor.model, sample, []) for sample in samples]


def mentions_e(sample_id: str, answer: str, ended: bool) -> float:
    return float("e" in answer)


def test_an_advantage_is_measured_against_the_others() -> None:
    assert advantages([1.0, 0.0, 0.5]) == pytest.approx([0.75, -0.75, 0.0])
    assert advantages([0.3, 0.3]) == [0.0, 0.0]


def test_an_answered_prompt_is_what_the_processor_makes_of_the_same_texts() -> None:
    run = tiny_run()
    whole = run.source.sample(0, torch.Generator())
    answers = [
        [t for t, b in zip(whole.token_ids, whole.branches, strict=True) if b == branch]
        for branch in (1, 2)
    ]
    rebuilt = answered(run.processor.model, whole, answers)
    assert rebuilt.token_ids == whole.token_ids
    assert rebuilt.labels == whole.labels
    assert rebuilt.branches == whole.branches
    assert torch.equal(rebuilt.position_ids, whole.position_ids)


def test_weights_scale_the_gradient_of_their_answers_and_nothing_else() -> None:
    run = tiny_run()
    run.model.eval()
    prompt = prompts_of(run, 1)[0]
    first, second, end = [20, 21], [40, 41, 42], list(run.processor.end_ids)

    def total(answers: list[list[int]], weights: list[float]) -> float:
        batch = run.processor.collate([answered(run.processor.model, prompt, answers, weights)])
        return float(language_modelling(run.model, batch).total.detach())

    alone = [total([each + end], [1.0]) for each in (first, second)]
    both = total([first + end, second + end], [2.0, -0.5])
    assert both == pytest.approx(2 * alone[0] - 0.5 * alone[1], rel=1e-5)


def test_samples_are_decided_by_the_generator_and_differ_among_each_other() -> None:
    run = tiny_run()
    run.model.eval()
    prompts = prompts_of(run, 2)

    def sampled(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return sample_answers(run.model, run.processor, prompts, ANSWERS, generator)

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)
    assert len(sampled(1)) == 6
    assert len({tuple(answer) for answer in sampled(1)}) > 1


def test_an_answer_ends_with_its_end_token() -> None:
    run = tiny_run()
    run.model.eval()
    options = replace(ANSWERS, max_new_tokens=40)
    answers = sample_answers(
        run.model, run.processor, prompts_of(run, 4), options, torch.Generator().manual_seed(0)
    )
    ends = set(run.processor.end_ids)
    assert all(not ends & set(answer[:-1]) for answer in answers)


def test_what_is_rewarded_becomes_likelier(tmp_path: Path) -> None:
    run = tiny_run()
    rates = PanelRates(vision=1e-2, connector=1e-2, language=1e-2)
    config = replace(
        CONFIG, learning_rates=rates, epochs=12, schedule="constant", batch_size=4, accumulate=1
    )
    fit(
        run.architecture,
        run.model,
        run.processor,
        run.source,
        config,
        tmp_path,
        validate=run.validate,
        rewrite=SelfCritical(ANSWERS, run.processor, mentions_e),
    )
    rewards = [line["reward"] for line in read_record(tmp_path / "record.jsonl")]
    assert sum(rewards[-8:]) > 2 * sum(rewards[:8])


def test_a_stopped_refinement_goes_on_exactly(tmp_path: Path) -> None:
    def run_until(epochs: int, folder: Path, resume: bool) -> None:
        run = tiny_run()
        fit(
            run.architecture,
            run.model,
            run.processor,
            run.source,
            replace(CONFIG, epochs=epochs, schedule="constant"),
            folder,
            validate=run.validate,
            rewrite=SelfCritical(ANSWERS, run.processor, mentions_e),
            resume=resume,
        )

    def curve(folder: Path) -> list[tuple[float, float]]:
        return [(line["loss"], line["reward"]) for line in read_record(folder / "record.jsonl")]

    run_until(3, tmp_path / "whole", resume=False)
    run_until(1, tmp_path / "parts", resume=False)
    run_until(3, tmp_path / "parts", resume=True)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")


def test_a_single_answer_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        SelfCriticalConfig(num_answers=1)
