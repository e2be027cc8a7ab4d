"""What the rows of every family that generates have in common: the batch, the differences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from tests.parity.rows import NUM_GREEDY, ParityRow
from torch import Tensor

from triptych.checkpoint.model_folder import LoadedModel
from triptych.generate.state import DecodingState
from triptych.inputs import ModelInputs
from triptych.processor import Message

Given = Mapping[str, Tensor]
"""What the reference is called with."""


@torch.no_grad()
def measured(
    family: str,
    ours: LoadedModel,
    reference: Any,
    conversations: Sequence[list[Message]],
    given_to: Callable[[ModelInputs], dict[str, Tensor]],
    *,
    vision: Callable[[Given], list[Tensor]],
    connector: Callable[[Given], list[Tensor]],
    one_by_one: bool = False,
) -> ParityRow:
    """One batch of conversations through both, padded on the left.

    Args:
        family: As in `ParityRow`.
        ours: As read from the reference's folder.
        reference: It, in evaluation mode.
        conversations: At least two; the reference gets our token ids and pixels.
        given_to: The reference's arguments, made of ours.
        vision: Outputs of the reference's vision panel, one for each picture or slice of a clip,
            `position dim`, in reading order and in order of the batch.
        connector: Its visual tokens, one for each picture or clip, `visual dim`.
        one_by_one: Whether the reference continues every row alone, as it must where it counts
            padding.
    """
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in conversations]
    inputs = ours.processor.collate(samples, pad="left")
    given = given_to(inputs)
    theirs = reference(**given).logits
    mine = ours.model(inputs)
    assert mine.shape == theirs.shape and not bool(inputs.token_mask.all())
    answers = greedy(ours, inputs)
    others = greedy_of(reference, given) if not one_by_one else []
    for sample in samples if one_by_one else []:
        others += greedy_of(reference, given_to(ours.processor.collate([sample])))
    assert all(len(set(row)) > 3 for row in others), "one word over and over; take another seed"
    return ParityRow(
        family=family,
        vision=worst(seen(ours, inputs), vision(given)),
        connector=worst(ours.model.encode(inputs), connector(given)),
        output=float((mine - theirs)[inputs.token_mask].abs().max()),
        spread=float(theirs[inputs.token_mask].std()),
        greedy=min(map(num_equal, answers, others)),
    )


def seen(ours: LoadedModel, inputs: ModelInputs) -> list[Tensor]:
    """Our vision panel's output for each picture and each slice of a clip."""
    outputs: list[Tensor] = []
    for image in inputs.images:
        slices = image[None] if image.ndim == 3 else image
        outputs += [ours.model.vision(each[None]).sequence()[0] for each in slices]
    return outputs


def worst(mine: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Largest absolute difference of so many tensors of equal shapes."""
    assert [each.shape for each in mine] == [each.shape for each in theirs]
    pairs = zip(mine, theirs, strict=True)
    return max((float((one - other).abs().max()) for one, other in pairs), default=0.0)


def greedy(ours: LoadedModel, inputs: ModelInputs) -> list[list[int]]:
    """Our continuation of every row, whatever ends an answer."""
    state, logits = DecodingState.start(ours.model, inputs, NUM_GREEDY)
    steps = [logits.argmax(dim=-1)]
    while len(steps) < NUM_GREEDY:
        steps.append(state.step(steps[-1]).argmax(dim=-1))
    return torch.stack(steps, dim=1).tolist()


def greedy_of(reference: Any, given: Given) -> list[list[int]]:
    """Theirs."""
    # Kosmos-2 generates by its language model's own settings.
    settings = getattr(reference, "text_model", reference).generation_config
    ends, settings.eos_token_id = settings.eos_token_id, None
    whole = reference.generate(**given, max_new_tokens=NUM_GREEDY, do_sample=False, pad_token_id=0)
    settings.eos_token_id = ends
    return whole[:, given["input_ids"].shape[1] :].tolist()


def num_equal(mine: Sequence[int], theirs: Sequence[int]) -> int:
    """Equal leading tokens."""
    pairs = zip(mine, theirs, strict=True)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), len(mine))
