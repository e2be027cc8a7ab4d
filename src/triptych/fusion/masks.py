"""Which mask a batch needs for the language model, if it needs one at all."""

from triptych.inputs import ModelInputs
from triptych.nn.masks import branch_mask, causal_mask, mutual_mask, padding_mask
from triptych.shapes import AttentionMask


def attention_mask(inputs: ModelInputs) -> AttentionMask | None:
    """The mask of an uncached pass, or None where plain causal attention is right.

    Padding on the right needs no mask: no real token stands after it, so none can see it.
    """
    is_plain = inputs.branches is None and inputs.mutual_mask is None
    if is_plain and bool(inputs.token_mask[:, 0].all()):
        return None
    if inputs.branches is not None:
        seen = branch_mask(inputs.branches)
    else:
        num_tokens = inputs.token_ids.shape[1]
        seen = causal_mask(num_tokens, num_tokens, inputs.token_ids.device)
    if inputs.mutual_mask is not None:
        seen = seen | mutual_mask(inputs.mutual_mask)
    return seen & padding_mask(inputs.token_mask)
