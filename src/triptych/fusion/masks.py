"""Which mask a batch needs for the language model, if it needs one at all."""

from triptych.inputs import ModelInputs
from triptych.nn.masks import branch_mask, causal_mask, padding_mask
from triptych.shapes import AttentionMask


def attention_mask(inputs: ModelInputs) -> AttentionMask | None:
    """The mask of an uncached pass, or None where plain causal attention is right.

    Padding on the right needs no mask: no real token stands after it, so none can see it.
    """
    if inputs.branches is not None:
        return branch_mask(inputs.branches) & padding_mask(inputs.token_mask)
    if bool(inputs.token_mask[:, 0].all()):
        return None
    num_tokens = inputs.token_ids.shape[1]
    causal = causal_mask(num_tokens, num_tokens, inputs.token_ids.device)
    return causal & padding_mask(inputs.token_mask)
