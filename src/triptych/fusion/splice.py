"""Splice: visual tokens stand inside the sequence, in slots that the prompt reserved for them.

    token ids    <bos>  <image> <image> <image>  What  is  this ?
    embeddings     e0      v0      v1      v2     e4   e5   e6  e7      (e: table, v: connector)

The language model then reads one sequence and knows nothing of pictures. LLaVA, MiniVLM, BLIP-2's
generative stage and Qwen2-VL all work so (https://arxiv.org/abs/2304.08485). What can go wrong is
the count: the prompt reserves as many slots as the connector promised, and a mismatch is refused
before anything is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.errors import ShapeError
from triptych.fusion.masks import attention_mask, documents_of
from triptych.fusion.strips import StripInputs
from triptych.inputs import ImageSpan, ModelInputs
from triptych.language import Decoder
from triptych.nn.cache import KVCache
from triptych.nn.ragged import RaggedCache
from triptych.shapes import Embeddings, HiddenStates, Places, PositionIds, TokenIds


@dataclass(frozen=True, kw_only=True, slots=True)
class SpliceConfig:
    """Visual tokens inside the sequence, and who sees whom there."""

    mutual: Literal["nothing", "pictures", "prompt"] = "nothing"
    """Which tokens at the beginning of a sequence all see each other: none, so that every token
    sees those before it; the pictures (GIT); or all before the first answer (PaliGemma)."""

    def num_slots(self, num_visual_tokens: int) -> int:
        """Positions of the sequence one picture takes: one for each visual token."""
        return num_visual_tokens

    def build(self, *, num_layers: int, language_dim: int, visual_dim: int) -> "Splice":
        """`num_layers` is not needed here; widths are checked against each other.

        Raises:
            ShapeError: the connector's tokens are not as wide as the language model's.
        """
        if visual_dim != language_dim:
            raise ShapeError(
                f"visual tokens are {visual_dim} wide but the language model reads {language_dim}; "
                "let the connector project to the language width"
            )
        return Splice(self)


class Splice(nn.Module):
    """Write visual tokens over their slots, then read the whole sequence."""

    def __init__(self, config: SpliceConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self,
        language: Decoder,
        inputs: ModelInputs,
        visual: Sequence[Float[Tensor, "_visual language_dim"]],
        cache: KVCache | None = None,
        wanted: Places | None = None,
    ) -> tuple[HiddenStates, None]:
        """Hidden states of every position, or of those wanted; nothing has to be remembered."""
        text = language.embed(inputs.token_ids, inputs.position_ids)
        embeddings = splice(text, visual, inputs.spans)
        # Causal attention over a cache needs no mask but the cache's own.
        needs_mask = cache is None or inputs.mutual_mask is not None
        mask = attention_mask(inputs) if needs_mask else None
        if cache is not None:
            cache.extend_mask(inputs.token_mask)
        hidden = language(
            embeddings,
            position_ids=inputs.position_ids,
            mask=mask,
            cache=cache,
            documents=documents_of(inputs, language.config.window, is_cached=cache is not None),
            wanted=wanted,
        )
        return hidden, None

    def step(
        self,
        language: Decoder,
        token_ids: TokenIds,
        position_ids: PositionIds,
        cache: KVCache,
        memory: object,
    ) -> Embeddings:
        """Hidden states of tokens that continue what `cache` holds; there is no memory."""
        text = language.embed(token_ids, position_ids)
        return language(text, position_ids=position_ids, cache=cache)

    def advance(
        self,
        language: Decoder,
        strips: StripInputs,
        cache: RaggedCache,
        wanted: Places | None = None,
    ) -> HiddenStates:
        """Hidden states of new tokens of several sequences, or of those wanted."""
        embeddings = language.embed(strips.token_ids, strips.position_ids)
        if strips.visual is not None:
            visual = strips.visual.to(embeddings.dtype)
            embeddings = embeddings.index_copy(1, strips.slots, visual[None])
        return language(embeddings, position_ids=strips.position_ids, cache=cache, wanted=wanted)


def splice(
    embeddings: Embeddings,
    visual: Sequence[Float[Tensor, "_visual language_dim"]],
    spans: Sequence[ImageSpan],
) -> Embeddings:
    """The embeddings with each picture's visual tokens in its reserved slots.

    Raises:
        ShapeError: the number of pictures, or of one picture's tokens, differs from what the
            sequence reserved; names the sample and the cure.
    """
    check_counts(visual, spans)
    if not spans:
        return embeddings
    device = embeddings.device
    rows = torch.cat([torch.full((s.num_slots,), s.batch_index) for s in spans])
    positions = torch.cat([torch.tensor(s.positions, dtype=torch.long) for s in spans])
    tokens = torch.cat(list(visual)).to(embeddings.dtype)
    return embeddings.index_put((rows.to(device), positions.to(device)), tokens)


def check_counts(visual: Sequence[Tensor], spans: Sequence[ImageSpan]) -> None:
    """Compare what the pictures became with what the sequence reserved, before any is written."""
    if len(visual) != len(spans):
        raise ShapeError(
            f"{len(visual)} pictures were encoded but the sequences reserve room for {len(spans)}; "
            "give the processor each picture once, as an image part of a message"
        )
    for tokens, span in zip(visual, spans, strict=True):
        if tokens.shape[0] != span.num_slots:
            raise ShapeError(
                f"sample {span.sample_id or span.batch_index}: the picture at position {span.start}"
                f" became {tokens.shape[0]} visual tokens but the prompt reserves "
                f"{span.num_slots}; make the inputs with this model's own processor"
            )
