"""Who sees whom in a batch: a mask for the language model if it needs one, or documents."""

from triptych.errors import ShapeError
from triptych.inputs import ModelInputs
from triptych.nn.documents import Documents
from triptych.nn.masks import branch_mask, causal_mask, mutual_mask, padding_mask
from triptych.shapes import AttentionMask


def attention_mask(inputs: ModelInputs) -> AttentionMask | None:
    """The mask of an uncached pass, or None where plain causal attention is right.

    Padding on the right needs no mask: no real token stands after it, so none can see it. Rows of
    several documents take no mask either; see `documents_of`.
    """
    is_plain = inputs.branches is None and inputs.mutual_mask is None
    if inputs.documents is not None or (is_plain and bool(inputs.token_mask[:, 0].all())):
        return None
    if inputs.branches is not None:
        seen = branch_mask(inputs.branches)
    else:
        num_tokens = inputs.token_ids.shape[1]
        seen = causal_mask(num_tokens, num_tokens, inputs.token_ids.device)
    if inputs.mutual_mask is not None:
        seen = seen | mutual_mask(inputs.mutual_mask)
    return seen & padding_mask(inputs.token_mask)


def documents_of(inputs: ModelInputs, window: int | None, is_cached: bool) -> Documents | None:
    """The documents of rows that hold several; `window` is the language model's.

    Raises:
        ShapeError: such rows are to be generated from.
    """
    if inputs.documents is None:
        return None
    if is_cached:
        raise ShapeError(
            "rows that hold several samples are for training alone; collate one sample a row to "
            "generate"
        )
    return Documents(
        inputs.documents, branches=inputs.branches, mutual=inputs.mutual_mask, window=window
    )
