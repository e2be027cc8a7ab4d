"""Layers whose weights are kept in eight or four bits, to run a model on a CPU.

    int8   weight = level x scale of its output     input = level x scale of its row, found as it
           runs; the sums are exact integers, so a row comes out the same alone or in a batch
    int4   weight = (level - 8) x scale + middle of its group of 32 inputs; the input stays as it
           is, in bfloat16

Both use torch's own kernels: FBGEMM's for int8, which is exact only on CPUs with VNNI
instructions, and `_weight_int4pack_mm_for_cpu`. FBGEMM fetches weights ahead: with one to eight
rows it reads them 1.5 to 2 times as fast as oneDNN. Of 300 rows and more the product alone is 10 to
20 % faster in oneDNN, and about as fast with the quantising of its inputs. Such layers cannot be
trained or saved.

LLM.int8(): https://arxiv.org/abs/2208.07339
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from triptych.errors import UsageError

Bits: TypeAlias = Literal["none", "int8", "int4"]
"""What the weights of a panel's linear layers become; none leaves them in its dtype."""

LEVELS = 127
"""Largest level of eight bits; as many below zero, so that zero is a level."""

OFFSET = 128
"""Added to an input's levels: the kernel multiplies unsigned inputs by signed weights."""

GROUP = 32
"""Inputs that share a scale and a middle in four bits: a weight takes 5 bits with them."""

TILE = 16
"""The kernel for four bits takes outputs by this many."""

_CHUNK = 1 << 20
"""Weights that are quantised at once: what is needed besides stays within the caches, which is
ten times as quick as sixteen times as many."""

_TINY = 1e-12


class Int8Linear(nn.Module):
    """A linear layer in eight bits."""

    def __init__(
        self,
        weight: Float[Tensor, "out_dim in_dim"],
        workspace: Int8[Tensor, " number"] | None = None,
    ) -> None:
        """Quantise a weight, which is not kept; `bias` may be given one later.

        `workspace`, of a number a weight or more, takes the levels until they are packed: making
        many layers then leaves no holes in memory.

        Raises:
            UsageError: this CPU has no instructions for it.
        """
        super().__init__()
        check_int8()
        self.out_dim, self.in_dim = weight.shape
        self.packed = _pack(*to_int8(weight, workspace))
        self.bias: nn.Parameter | None = None

    @property
    def memory_bytes(self) -> int:
        """What the weight takes, with what the kernel keeps of each output besides."""
        return _packed_bytes(self.out_dim, self.in_dim)

    def forward(self, hidden: Float[Tensor, "*axis in_dim"]) -> Float[Tensor, "*axis out_dim"]:
        return _multiply(hidden, self.packed, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_dim}, {self.out_dim}, int8"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        _refuse_saving("int8")


class Int8Joint(nn.Module):
    """Linear layers in eight bits that read the same, multiplied as one.

    The outputs stand behind each other. One row then takes a third less time for what is not the
    product itself, which is a quarter of it all.
    """

    def __init__(self, layers: Sequence[Int8Linear]) -> None:
        """Put layers of one `in_dim` together; they themselves are not needed any more."""
        super().__init__()
        parts = [_unpack(layer.packed) for layer in layers]
        levels, scales = (torch.cat(each) for each in zip(*parts, strict=True))
        self.out_dim, self.in_dim = levels.shape
        self._packed = _pack(levels, scales)
        self.bias = _joint_bias(layers)

    @property
    def memory_bytes(self) -> int:
        """As of its layers."""
        return _packed_bytes(self.out_dim, self.in_dim)

    def forward(self, hidden: Float[Tensor, "*axis in_dim"]) -> Float[Tensor, "*axis out_dim"]:
        return _multiply(hidden, self._packed, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_dim}, {self.out_dim}, int8"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        _refuse_saving("int8")


def joined(*layers: nn.Module) -> Int8Joint | None:
    """The layers as one, if all are in eight bits."""
    quantised = [layer for layer in layers if isinstance(layer, Int8Linear)]
    return Int8Joint(quantised) if len(quantised) == len(layers) else None


class Int4Linear(nn.Module):
    """A linear layer whose weights have four bits; inputs are brought to bfloat16."""

    def __init__(self, weight: Float[Tensor, "out_dim in_dim"]) -> None:
        """Quantise a weight, which is not kept, see `fits_int4`; `bias` may be given one later."""
        super().__init__()
        self.out_dim, self.in_dim = weight.shape
        levels, scale, middle = to_int4(weight)
        self._packed: Tensor = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels, 1)
        grid = torch.stack([scale, middle], dim=-1).transpose(0, 1)
        self._scale_and_middle = grid.contiguous().to(torch.bfloat16)
        self.bias: nn.Parameter | None = None

    @property
    def memory_bytes(self) -> int:
        """What the weight takes, scales and middles included."""
        return self._packed.nbytes + self._scale_and_middle.nbytes

    def forward(self, hidden: Float[Tensor, "*axis in_dim"]) -> Float[Tensor, "*axis out_dim"]:
        rows = hidden.reshape(-1, self.in_dim).to(torch.bfloat16)
        mixed: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows, self._packed, GROUP, self._scale_and_middle
        )
        return _finished(mixed, self.bias, hidden)

    def extra_repr(self) -> str:
        return f"{self.in_dim}, {self.out_dim}, int4"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        _refuse_saving("int4")


class Int8Table(nn.Module):
    """An embedding table in eight bits, a scale a row, that is the output head too.

    Looking up multiplies out the rows asked for; the head multiplies in integers as `Int8Linear`
    does, by a copy in the order that its kernel wants: reading rows in their own order would take
    half as long again, for every token.
    """

    def __init__(self, weight: Float[Tensor, "vocab dim"], dtype: torch.dtype) -> None:
        """Quantise a table, which is not kept; what is looked up is of that dtype.

        Raises:
            UsageError: this CPU has no instructions for it.
        """
        super().__init__()
        check_int8()
        self.dtype = dtype
        self._levels, self._scale = to_int8(weight)
        self._packed = _pack(self._levels, self._scale)

    @property
    def memory_bytes(self) -> int:
        """What the table and its copy take, scales included."""
        return self._levels.nbytes + self._scale.nbytes + self.head_bytes

    @property
    def head_bytes(self) -> int:
        """What the head reads of it."""
        return _packed_bytes(*self._levels.shape)

    def forward(self, token_ids: Int[Tensor, "*axis"]) -> Float[Tensor, "*axis dim"]:
        rows = self._levels[token_ids].float() * self._scale[token_ids][..., None]
        return rows.to(self.dtype)

    def head(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis vocab"]:
        """The product of hidden states with every row."""
        return _multiply(hidden, self._packed)

    def extra_repr(self) -> str:
        return f"{self._levels.shape[0]}, {self._levels.shape[1]}, int8"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        _refuse_saving("int8")


QuantisedLinear: TypeAlias = Int8Linear | Int4Linear
"""A linear layer in fewer bits."""


def quantise_linear(
    weight: Float[Tensor, "out_dim in_dim"],
    bits: Bits,
    workspace: Int8[Tensor, " number"] | None = None,
) -> QuantisedLinear:
    """A linear layer of that weight; in eight bits where the shape does not fit four.

    Raises:
        UsageError: this CPU has no instructions for it.
    """
    if bits == "int4" and fits_int4(*weight.shape):
        return Int4Linear(weight)
    return Int8Linear(weight, workspace)


def fits_int4(out_dim: int, in_dim: int) -> bool:
    """Whether the kernel for four bits takes a weight of that shape."""
    return in_dim % GROUP == 0 and out_dim % TILE == 0


def to_int8(
    weight: Float[Tensor, "out_dim in_dim"], workspace: Int8[Tensor, " number"] | None = None
) -> tuple[Int8[Tensor, "out_dim in_dim"], Float[Tensor, " out_dim"]]:
    """Levels of a weight, in the workspace if there is one, and the scale of each output.

    The largest weight of an output becomes 127.
    """
    if workspace is None:
        workspace = torch.empty(weight.numel(), dtype=torch.int8)
    levels = workspace[: weight.numel()].view(weight.shape)
    scale = torch.empty(len(weight), dtype=torch.float32)
    for rows in _chunks(weight):
        part: Tensor = weight[rows].float()
        scale[rows] = part.abs().amax(dim=1).clamp_(min=_TINY) / LEVELS
        levels[rows] = (part / scale[rows][:, None]).round_().to(torch.int8)
    return levels, scale


def to_int4(
    weight: Float[Tensor, "out_dim in_dim"],
) -> tuple[
    Int[Tensor, "out_dim in_dim"], Float[Tensor, "out_dim group"], Float[Tensor, "out_dim group"]
]:
    """Levels 0 to 15 of a weight, and of each group the step between them and what 8 means."""
    groups = (len(weight), weight.shape[1] // GROUP)
    levels = torch.empty(weight.shape, dtype=torch.int32)
    scale, middle = torch.empty(groups), torch.empty(groups)
    for rows in _chunks(weight):
        part: Tensor = weight[rows].float().reshape(-1, groups[1], GROUP)
        low, high = part.amin(dim=2), part.amax(dim=2)
        # Rounded as they will be stored, so that the levels make up for it.
        scale[rows] = ((high - low) / 15).clamp_(min=_TINY).bfloat16().float()
        middle[rows] = (low + 8 * scale[rows]).bfloat16().float()
        steps = (part - middle[rows][..., None]).div_(scale[rows][..., None])
        levels[rows] = steps.round_().add_(8).clamp_(0, 15).to(torch.int32).flatten(1)
    return levels, scale, middle


def has_int8() -> bool:
    """Whether this machine's CPU has instructions for eight bits."""
    supported = getattr(torch.cpu, "_is_vnni_supported", None)
    return (
        bool(supported and supported()) and "fbgemm" in torch.backends.quantized.supported_engines
    )


def check_int8() -> None:
    """Refuse eight bits where the CPU has no instructions for them.

    Raises:
        UsageError: it has none.
    """
    if not has_int8():
        raise UsageError(
            "int8 needs a CPU with VNNI instructions, which this machine's lacks; "
            "leave it out, or take --dtype bfloat16 for half the memory"
        )


def _pack(levels: Int8[Tensor, "out_dim in_dim"], scale: Float[Tensor, " out_dim"]) -> Any:
    """A weight in the kernel's own order, its scales beside it."""
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    make = cast(Any, torch)._make_per_channel_quantized_tensor
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        with warnings.catch_warnings():
            # A later torch is to lose such tensors; `torch.ops.onednn.qlinear_pointwise` is the
            # way then, at the price named above.
            warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
            return torch.ops.quantized.linear_prepack(make(levels, scale.double(), zeros, 0), None)
    finally:
        torch.backends.quantized.engine = before


def _unpack(packed: Any) -> tuple[Int8[Tensor, "out_dim in_dim"], Float[Tensor, " out_dim"]]:
    weight, _ = torch.ops.quantized.linear_unpack(packed)
    return weight.int_repr(), weight.q_per_channel_scales().float()


def _joint_bias(layers: Sequence[Int8Linear]) -> nn.Parameter | None:
    biases = [layer.bias for layer in layers]
    if all(bias is None for bias in biases):
        return None
    like = next(bias for bias in biases if bias is not None)
    parts = [
        like.new_zeros(layer.out_dim) if bias is None else bias.detach()
        for layer, bias in zip(layers, biases, strict=True)
    ]
    return nn.Parameter(torch.cat(parts), requires_grad=False)


def _packed_bytes(out_dim: int, in_dim: int) -> int:
    """A byte a weight; of each output its scale, its zero and the sum of its levels."""
    return out_dim * in_dim + 12 * out_dim


def _multiply(hidden: Tensor, packed: Any, bias: Tensor | None = None) -> Tensor:
    """The product in integers: levels of the inputs by levels of the weight, then the scales."""
    if torch.is_grad_enabled() and hidden.requires_grad:
        raise UsageError("quantised layers cannot be trained; load the model without quantising")
    rows = hidden.reshape(-1, hidden.shape[-1]).float()
    scale = rows.abs().amax(dim=1, keepdim=True).div_(LEVELS).add_(_TINY)
    # The kernel rounds what it is given to whole numbers; their scale is put back afterwards,
    # because it knows one for all rows only.
    mixed: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default(
        rows / scale, 1.0, OFFSET, packed
    )
    mixed = mixed.mul_(scale) if bias is None else torch.addcmul(bias, mixed, scale)
    return mixed.to(hidden.dtype).view(*hidden.shape[:-1], mixed.shape[-1])


def _finished(mixed: Tensor, bias: Tensor | None, hidden: Tensor) -> Tensor:
    """Add the bias and bring the rows back onto their axes, in the dtype they came in."""
    if bias is not None:
        mixed = mixed.add_(bias)
    return mixed.to(hidden.dtype).reshape(*hidden.shape[:-1], mixed.shape[-1])


def _chunks(weight: Tensor) -> list[slice]:
    step = max(1, _CHUNK // max(1, weight.shape[1]))
    return [slice(start, start + step) for start in range(0, len(weight), step)]


def _refuse_saving(bits: str) -> None:
    raise UsageError(
        f"a model in {bits} is for running only; load it without --quantize to save it"
    )
