"""Answering as classification: which of the known answers would people give to this question?

    answers of ten people     7 x "red", 2 x "dark red", 1 x "maroon"
    scores                    red 1, dark red 0.6, maroon 0.3           three agreeing are enough
    loss                      every known answer is judged alone, its score being the target

Several answers can be right, so they do not compete (sigmoid, not softmax).

VQA's accuracy: https://arxiv.org/abs/1505.00468 (section 3)
Soft scores as targets: https://arxiv.org/abs/1708.02711 (section 3.8)
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from triptych.errors import DataError, ShapeError
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs

ENOUGH = 3
"""People that must agree on an answer for it to count as fully right."""


def soft_scores(answers: Sequence[str]) -> dict[str, float]:
    """How right each answer is that people gave, 0 to 1.

    The mean over all ways to leave one person out, who is the one to be judged, as the data set's
    own evaluation has it: with ten people, 0, 0.3, 0.6, 0.9 and 1 for none to four.

    Raises:
        DataError: nobody answered.
    """
    if not answers:
        raise DataError("nobody answered this question; leave it out")
    return {answer: _score(count, len(answers)) for answer, count in Counter(answers).items()}


def score_targets(
    scores: Sequence[Mapping[str, float]], known: Sequence[str]
) -> Float[Tensor, "question answer"]:
    """Scores of the known answers; what people said beside them is forgotten."""
    return torch.tensor([[each.get(answer, 0.0) for answer in known] for each in scores])


def answer_classification(
    logits: Float[Tensor, "question answer"], scores: Float[Tensor, "_question _answer"]
) -> Float[Tensor, ""]:
    """Sum over questions of the summed binary cross-entropies of all known answers, in nats.

    Raises:
        ShapeError: there are not as many scores as logits.
    """
    if logits.shape != scores.shape:
        raise ShapeError(
            f"logits of {tuple(logits.shape)} questions and answers do not go with scores of "
            f"{tuple(scores.shape)}; make the scores with the answers that the head knows"
        )
    targets = scores.to(logits.device, torch.float32)
    return binary_cross_entropy_with_logits(logits.float(), targets, reduction="sum")


class AnswerHead(nn.Module):
    """Logits of known answers, from what a model has read of picture and question."""

    def __init__(self, language_dim: int, num_answers: int) -> None:
        super().__init__()
        self.linear = nn.Linear(language_dim, num_answers)

    def forward(self, model: VLM, inputs: ModelInputs) -> Float[Tensor, "question answer"]:
        """One row a question, taken from its last token; inputs hold one question a row."""
        inputs = inputs.to(model.device)
        num_rows, length = inputs.token_ids.shape
        positions = torch.arange(length, device=model.device)
        last = (positions * inputs.token_mask).argmax(dim=1)
        hidden, _ = model.read(inputs, wanted=(torch.arange(num_rows, device=model.device), last))
        return self.linear(hidden[0])


def _score(count: int, num_people: int) -> float:
    """With one of them left out, who may or may not have given this answer."""
    if num_people == 1:
        return 1.0
    with_it, without_it = min(1.0, (count - 1) / ENOUGH), min(1.0, count / ENOUGH)
    return (count * with_it + (num_people - count) * without_it) / num_people
