"""Self-critical training: a model learns from answers of its own, by how good they turned out.

    prompt -> several sampled answers -> reward of each
                                          advantage = reward - mean reward of the others
    loss = sum over answers of advantage x -log p(answer)

Answers better than their siblings become likelier, worse ones less likely. The reward may be any
number, so a model can be trained on the very score it is judged by, which likelihood only hints at.

Self-critical sequence training: https://arxiv.org/abs/1612.00563
The mean of the others as the baseline: https://arxiv.org/abs/2003.09971
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch

from triptych.errors import ConfigError
from triptych.fusion.vlm import VLM
from triptych.generate.state import DecodingState, repeat_rows
from triptych.processor import Processor, Sample
from triptych.sequences import answered

Reward: TypeAlias = Callable[[str, str, bool], float]
"""Of a sample id, an answer, and whether it ended by itself: how good the answer is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfCriticalConfig:
    """How answers are sampled."""

    num_answers: int = 5
    """Answers sampled for each prompt."""

    max_new_tokens: int = 24
    """Longest answer, end token included."""

    temperature: float = 1.0
    """Of the sampling; 1 is the model's own distribution, which the loss assumes."""

    def __post_init__(self) -> None:
        if self.num_answers < 2:
            raise ConfigError(f"num_answers must be at least 2 to compare, got {self.num_answers}")
        if self.max_new_tokens < 1 or self.temperature <= 0:
            raise ConfigError(
                f"max_new_tokens and temperature must be above 0, got {self.max_new_tokens} and "
                f"{self.temperature}"
            )


class SelfCritical:
    """Replace the answers of samples by the model's own, weighted by their advantage.

    The model is left in evaluation mode: dropout would make the sampled and the trained model two.
    """

    def __init__(self, config: SelfCriticalConfig, processor: Processor, reward: Reward) -> None:
        self.config = config
        self.processor = processor
        self.reward = reward

    def __call__(
        self, model: VLM, samples: Sequence[Sample], generator: torch.Generator
    ) -> tuple[Sequence[Sample], dict[str, float]]:
        """The samples with own answers, and the mean reward."""
        model.eval()
        prompts = [answered(self.processor.model, sample, []) for sample in samples]
        count = self.config.num_answers
        answers = sample_answers(model, self.processor, prompts, self.config, generator)
        rewritten: list[Sample] = []
        total = 0.0
        for index, prompt in enumerate(prompts):
            own = answers[index * count : (index + 1) * count]
            rewards = [self._reward(prompt, answer) for answer in own]
            total += sum(rewards)
            rewritten.append(answered(self.processor.model, prompt, own, advantages(rewards)))
        return rewritten, {"reward": total / len(answers)}

    def _reward(self, prompt: Sample, answer: Sequence[int]) -> float:
        ended = answer[-1] in self.processor.end_ids
        text = self.processor.tokenizer.decode(answer[:-1] if ended else answer)
        return self.reward(prompt.sample_id, text, ended)


def advantages(rewards: Sequence[float]) -> list[float]:
    """How much better each reward is than the mean of the others; they add up to zero."""
    total, others = sum(rewards), len(rewards) - 1
    return [reward - (total - reward) / others for reward in rewards]


@torch.inference_mode()
def sample_answers(
    model: VLM,
    processor: Processor,
    prompts: Sequence[Sample],
    config: SelfCriticalConfig,
    generator: torch.Generator,
) -> list[list[int]]:
    """`num_answers` sampled answers to each prompt, in a run; end tokens included."""
    inputs = processor.collate(prompts, pad="left")
    state, logits = DecodingState.start(model, inputs, config.max_new_tokens)
    rows = repeat_rows(len(prompts), config.num_answers)
    state.select(rows)
    logits = logits[rows.to(logits.device)]
    answers: list[list[int]] = [[] for _ in rows]
    for step in range(config.max_new_tokens):
        probabilities = (logits.float() / config.temperature).softmax(dim=-1).cpu()
        chosen = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        for answer, token in zip(answers, cast(list[int], chosen.tolist()), strict=True):
            if not answer or answer[-1] not in processor.end_ids:
                answer.append(token)
        if all(answer[-1] in processor.end_ids for answer in answers):
            break
        if step + 1 < config.max_new_tokens:
            logits = state.step(chosen)
    return answers
