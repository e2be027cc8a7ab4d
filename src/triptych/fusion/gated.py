"""Gated: a frozen language model looks at pictures through new cross-attention layers.

Visual tokens are not in the sequence, which holds only an `<image>` marker. Before every n-th
language block stands a new block

    y = y + tanh(a) * cross_attention(norm(y), picture)
    y = y + tanh(b) * mlp(norm(y))

with two gates that start at zero, so at step 0 the language model is exactly what it was. A token
sees only the last picture at or before it; a token before any picture gets exactly zero.

Departure: before the first picture both branches are shut, so text alone passes unchanged.
OpenFlamingo and IDEFICS shut only the attention there and let the gated MLP act on every token,
which `mlp_before_pictures` says.

    block        norm         MLP                  gates
    Flamingo     LayerNorm    squared ReLU         two numbers
    IDEFICS      RMSNorm      SwiGLU               two numbers a channel; queries and keys normed

Flamingo: https://arxiv.org/abs/2204.14198 (section 2.2)
IDEFICS: https://arxiv.org/abs/2306.16527
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from triptych.errors import ConfigError, ShapeError
from triptych.fusion.masks import attention_mask, documents_of
from triptych.fusion.memory import GatedMemory, unequal
from triptych.fusion.strips import StripInputs
from triptych.inputs import ImageSpan, ModelInputs
from triptych.language import Decoder
from triptych.nn.attention import Attention, QKNorm
from triptych.nn.cache import AttendingLayer, KVCache, LayerCache
from triptych.nn.documents import Looks
from triptych.nn.masks import last_image_mask
from triptych.nn.mlp import MLP, Activation, GatedMLP
from triptych.nn.norm import NormKind, make_norm
from triptych.nn.ragged import RaggedCache
from triptych.nn.recompute import Recomputable
from triptych.shapes import AttentionMask, Embeddings, HiddenStates, Places, PositionIds, TokenIds


@dataclass(frozen=True, kw_only=True, slots=True)
class GatedConfig:
    """New cross-attention blocks in front of some language blocks."""

    every: int = 1
    """A new block stands before language blocks 0, every, 2*every, ..."""

    num_heads: int = 8
    """Heads of the cross-attention."""

    head_dim: int = 64
    """Width of one head."""

    ffn_multiple: int = 4
    """Hidden width of the block's MLP, in units of the language width."""

    ffn_dim: int | None = None
    """The same width as a number; None for `ffn_multiple` (IDEFICS takes its language model's)."""

    gated_mlp: bool = False
    """Whether a second projection of the MLP is gated by the activated one (IDEFICS)."""

    norm: NormKind = "layer"
    """Kind of both norms."""

    norm_eps: float = 1e-5
    """Added to the variance in every norm."""

    qk_norm: QKNorm = "none"
    """Normalisation of each head's queries and keys (IDEFICS)."""

    gate_channels: bool = False
    """Give every channel gates of its own, instead of two for the block (IDEFICS)."""

    mlp_before_pictures: bool = False
    """Let the MLP act on tokens before any picture, too (IDEFICS)."""

    activation: Activation = "squared_relu"
    """Flamingo uses squared ReLU; OpenFlamingo GELU."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"every must be at least 1 block, got {self.every}")
        if self.ffn_dim is not None and self.ffn_dim < 1:
            raise ConfigError(f"ffn_dim must be at least 1 or left out, got {self.ffn_dim}")

    def num_slots(self, num_visual_tokens: int) -> int:
        """Positions of the sequence one picture takes: its marker."""
        return 1

    def build(self, *, num_layers: int, language_dim: int, visual_dim: int) -> "Gated":
        return Gated(self, num_layers, language_dim, visual_dim)


class Gated(nn.Module):
    """Run the language model with gated cross-attention hung between its blocks."""

    def __init__(
        self, config: GatedConfig, num_layers: int, language_dim: int, visual_dim: int
    ) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleDict(
            {
                str(layer): GatedBlock(config, language_dim, visual_dim)
                for layer in range(0, num_layers, config.every)
            }
        )

    def forward(
        self,
        language: Decoder,
        inputs: ModelInputs,
        visual: Sequence[Float[Tensor, "_visual visual_dim"]],
        cache: KVCache | None = None,
        wanted: Places | None = None,
    ) -> tuple[HiddenStates, GatedMemory]:
        """Hidden states of every position, or of those wanted, and what later steps need of the
        pictures."""
        embeddings = language.embed(inputs.token_ids, inputs.position_ids)
        counts = image_counts(inputs)
        memory = gather_memory(visual, inputs, embeddings, counts)
        if cache is not None:
            cache.extend_mask(inputs.token_mask)
            memory = replace(memory, caches=self._allocate_caches(memory))
        hidden = language(
            embeddings,
            position_ids=inputs.position_ids,
            mask=None if cache is not None else attention_mask(inputs),
            cache=cache,
            documents=documents_of(inputs, language.config.window, is_cached=cache is not None),
            between=self._look(memory, counts, inputs.documents is not None),
            wanted=wanted,
        )
        return hidden, memory

    def step(
        self,
        language: Decoder,
        token_ids: TokenIds,
        position_ids: PositionIds,
        cache: KVCache,
        memory: GatedMemory | None,
    ) -> Embeddings:
        """Hidden states of tokens that continue what `cache` holds.

        Raises:
            ShapeError: the memory that `forward` returned is missing.
        """
        if memory is None:
            raise ShapeError("gated fusion goes on with the memory its forward pass returned")
        counts = memory.image_counts[:, None].expand(token_ids.shape)
        return language(
            language.embed(token_ids, position_ids),
            position_ids=position_ids,
            cache=cache,
            between=self._look(memory, counts),
        )

    def advance(
        self,
        language: Decoder,
        strips: StripInputs,
        cache: RaggedCache,
        wanted: Places | None = None,
    ) -> HiddenStates:
        """Hidden states of new tokens of several sequences, or of those wanted.

        Raises:
            ShapeError: what the sequences remember of their pictures is missing.
        """
        if strips.memory is None or strips.image_counts is None:
            raise ShapeError("gated fusion needs a memory of the pictures; call `remember`")
        return language(
            language.embed(strips.token_ids, strips.position_ids),
            position_ids=strips.position_ids,
            cache=cache,
            between=self._look(strips.memory, strips.image_counts),
            wanted=wanted,
        )

    def remember(self, visual: Sequence[Float[Tensor, "_visual visual_dim"]]) -> GatedMemory:
        """What one sequence needs of its pictures, whose keys and values are made here, once.

        Raises:
            ShapeError: pictures became different numbers of tokens.
        """
        sizes = {len(tokens) for tokens in visual}
        if len(sizes) > 1:
            raise ShapeError(unequal(sizes))
        if not visual:
            nothing = next(self.parameters()).new_zeros(1, 0, 0)
            return GatedMemory(nothing, nothing.new_zeros(1, dtype=torch.long), 0, 0)
        context = torch.cat(list(visual))[None]
        counts = torch.tensor([len(visual)], device=context.device)
        memory = GatedMemory(context, counts, len(visual), sizes.pop())
        caches = self._allocate_caches(memory)
        for layer, own in caches.items():
            block = self.blocks[layer]
            assert isinstance(block, GatedBlock)
            own.append(*block.attention.keys_and_values(context))
        return replace(memory, caches=caches)

    def gates(self) -> dict[str, tuple[float, float]]:
        """tanh of both gates of every block, by language layer: 0 is shut, +-1 is wide open.

        Of gates a channel, the mean of their sizes.
        """
        return {
            layer: (_opening(block.attention_gate), _opening(block.mlp_gate))
            for layer, block in self.blocks.items()
            if isinstance(block, GatedBlock)
        }

    def _allocate_caches(self, memory: GatedMemory) -> dict[str, LayerCache]:
        batch, num_keys, _ = memory.visual.shape
        heads, head_dim = self.config.num_heads, self.config.head_dim
        like = memory.visual
        return {
            layer: LayerCache(batch, heads, head_dim, num_keys, like.dtype, like.device)
            for layer in self.blocks
            if num_keys
        }

    def _look(
        self, memory: GatedMemory, counts: Int[Tensor, "batch token"], is_packed: bool = False
    ) -> Callable[[int, Tensor], Tensor] | None:
        if memory.num_images == 0 and not self.config.mlp_before_pictures:
            return None
        # Rows of many documents hold many pictures: each token reads its own without a mask.
        looks = Looks(counts, memory.num_images, memory.tokens_per_image) if is_packed else None
        mask = last_image_mask(counts, memory.num_images, memory.tokens_per_image)

        def look(layer: int, hidden: Tensor) -> Tensor:
            if str(layer) not in self.blocks:
                return hidden
            block, cache = self.blocks[str(layer)], memory.caches.get(str(layer), looks)
            visual = memory.visual if memory.num_images else None
            return block(hidden, visual, mask, cache)

        return look


class GatedBlock(Recomputable):
    """GATED XATTN-DENSE: a cross-attention and an MLP, each behind its own tanh gate."""

    def __init__(self, config: GatedConfig, dim: int, visual_dim: int) -> None:
        super().__init__()
        self.config = config
        self.norm_1 = make_norm(config.norm, dim, config.norm_eps)
        self.attention = Attention(
            dim,
            config.num_heads,
            head_dim=config.head_dim,
            context_dim=visual_dim,
            qk_norm=config.qk_norm,
            qk_norm_eps=config.norm_eps,
        )
        gates = (dim,) if config.gate_channels else ()
        self.attention_gate = nn.Parameter(torch.zeros(gates))
        self.norm_2 = make_norm(config.norm, dim, config.norm_eps)
        ffn_dim = config.ffn_dim or config.ffn_multiple * dim
        mlp_class = GatedMLP if config.gated_mlp else MLP
        self.mlp = mlp_class(dim, ffn_dim, config.activation, bias=False)
        self.mlp_gate = nn.Parameter(torch.zeros(gates))

    def forward(
        self,
        hidden: Embeddings,
        visual: Float[Tensor, "batch key visual_dim"] | None,
        mask: AttentionMask,
        cache: LayerCache | AttendingLayer | None = None,
    ) -> Embeddings:
        """`visual` is None where no row has a picture."""
        keep = mask.any(dim=-1, keepdim=True)[:, 0]
        if visual is not None:
            seen = self.attention(self.norm_1(hidden), context=visual, mask=mask, cache=cache)
            hidden = hidden + self.attention_gate.tanh() * seen * keep
        added = self.mlp_gate.tanh() * self.mlp(self.norm_2(hidden))
        return hidden + (added if self.config.mlp_before_pictures else added * keep)


def _opening(gate: Float[Tensor, "*channel"]) -> float:
    opening = gate.detach().tanh()
    return float(opening if opening.ndim == 0 else opening.abs().mean())


def image_counts(inputs: ModelInputs) -> Int[Tensor, "batch token"]:
    """For each token, how many pictures stand at or before it in its row; markers count.

    In rows of several documents the count goes on from one to the next, because it says which of
    the row's pictures a token sees, but is 0 before a document's first picture:

        documents   0  0  0  1  1  1  1
        picture     -  x  -  -  x  x  -
        counts      0  1  1  0  2  3  3
    """
    markers = torch.zeros_like(inputs.token_ids)
    for span in inputs.spans:
        markers[span.batch_index, span.start] += 1
    counts = markers.cumsum(dim=1)
    if inputs.documents is None:
        return counts
    is_first = functional.pad(inputs.documents.diff(dim=1) != 0, (1, 0), value=True)
    # Pictures of the documents before: what had been counted where this one begins.
    earlier = ((counts - markers) * is_first).cummax(dim=1).values
    return counts * (counts > earlier)


def gather_memory(
    visual: Sequence[Float[Tensor, "_visual visual_dim"]],
    inputs: ModelInputs,
    like: Embeddings,
    counts: Int[Tensor, "batch token"],
) -> GatedMemory:
    """Every row's pictures side by side.

    Raises:
        ShapeError: pictures became different numbers of tokens, or their number is not the
            number of markers.
    """
    batch = inputs.token_ids.shape[0]
    last = counts[:, -1]
    if not inputs.spans:
        return GatedMemory(like.new_zeros(batch, 0, 0), last, 0, 0)
    num_visual = _equal_lengths(visual, inputs.spans)
    num_images = int(counts.max())
    rows: list[Tensor] = []
    for row in range(batch):
        own = [v for v, s in zip(visual, inputs.spans, strict=True) if s.batch_index == row]
        blank = visual[0].new_zeros(((num_images - len(own)) * num_visual, visual[0].shape[-1]))
        rows.append(torch.cat([*own, blank]))
    return GatedMemory(torch.stack(rows).to(like.dtype), last, num_images, num_visual)


def _equal_lengths(visual: Sequence[Tensor], spans: Sequence[ImageSpan]) -> int:
    if len(visual) != len(spans):
        raise ShapeError(
            f"{len(visual)} pictures were encoded but the sequences hold {len(spans)} markers; "
            "give the processor each picture once, as an image part of a message"
        )
    lengths = {tokens.shape[0] for tokens in visual}
    if len(lengths) != 1:
        raise ShapeError(unequal(lengths))
    return lengths.pop()
