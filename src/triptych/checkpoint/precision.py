"""In which kind of numbers a model runs, and filling it with weights one at a time.

    dtype      float32, bfloat16 or float16: weights, activations and the key-value cache
    quantize   by panel, the weights of linear layers in eight or four bits, see
               `triptych.nn.quantised`

Norms, learned positions, patch embeddings and the table of an untied language model keep the
dtype. A tied table, which is the output head too, goes into eight bits with its panel; so does an
untied head, in a panel of four bits too, because it decides between tens of thousands of words.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn

from triptych.errors import ConfigError, UnknownNameError, nearest
from triptych.fusion.vlm import PANELS, VLM, VLMConfig
from triptych.nn.block import Block
from triptych.nn.meta import without_weights
from triptych.nn.mlp import GatedMLP
from triptych.nn.quantised import Bits, Int8Table, QuantisedLinear, check_int8, quantise_linear

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Kinds of numbers a model can run in, by name."""

TABLE, HEAD = "language.embedding", "language.lm_head"

EXTRA_HEAD = "language.extra_head"
"""Of IDEFICS: two rows or so, left as they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizeConfig:
    """The panels whose linear layers are kept in fewer bits."""

    vision: Bits = "none"
    """Blocks of the vision panel; its patch embedding is not a linear layer."""

    connector: Bits = "none"
    """All of the connector."""

    fusion: Bits = "none"
    """The cross-attention of models that have some."""

    language: Bits = "none"
    """Blocks and output head of the language panel."""

    def of(self, panel: str) -> Bits:
        """What is chosen for a panel."""
        return cast(Bits, getattr(self, panel))

    @property
    def is_none(self) -> bool:
        """Whether no panel is quantised."""
        return all(self.of(panel) == "none" for panel in PANELS)


UNQUANTISED = QuantizeConfig()
"""Every panel in the model's dtype."""


def read_quantize(text: str) -> QuantizeConfig:
    """`language=int8,vision=int8` as a configuration; `int8` alone means every panel.

    Raises:
        ConfigError: it is malformed, or names a panel that does not exist or twice.
        UnknownNameError: there is no such kind of weights.
    """
    if text in get_args(Bits):
        bits = cast(Bits, text)
        return QuantizeConfig(vision=bits, connector=bits, fusion=bits, language=bits)
    chosen: dict[str, Bits] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        panel, equals, bits = (each.strip() for each in part.partition("="))
        if not equals:
            raise ConfigError(
                f"{part!r} does not say which panel; write like language=int8,vision=int8"
            )
        if panel not in PANELS:
            raise ConfigError(f"there is no panel {panel!r} to quantise; {nearest(panel, PANELS)}")
        if panel in chosen:
            raise ConfigError(f"{panel} is named twice in {text!r}; say once what it becomes")
        if bits not in get_args(Bits):
            raise UnknownNameError("kind of quantised weights", bits, get_args(Bits))
        chosen[panel] = cast(Bits, bits)
    return dataclasses.replace(UNQUANTISED, **chosen)


def find_dtype(name: str) -> torch.dtype:
    """The kind of numbers of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in DTYPES:
        raise UnknownNameError("kind of numbers (--dtype)", name, DTYPES)
    return DTYPES[name]


def quantised_layers(model: VLM, quantize: QuantizeConfig) -> dict[str, Bits]:
    """What each linear layer that does not stay as it is becomes, by its name in the model."""
    layers: dict[str, Bits] = {}
    for panel in PANELS:
        bits = quantize.of(panel)
        part = cast(nn.Module, getattr(model, panel))
        modules = cast(Iterator[tuple[str, nn.Module]], part.named_modules(prefix=panel))
        for name, module in modules:
            if bits != "none" and isinstance(module, nn.Linear) and name != EXTRA_HEAD:
                layers[name] = "int8" if name == HEAD else bits
    if quantize.language != "none" and model.config.language.tied:
        layers[TABLE] = "int8"
    return layers


class Filling:
    """A model that takes its weights one at a time, each at once in the chosen precision."""

    def __init__(
        self, config: VLMConfig, dtype: torch.dtype, quantize: QuantizeConfig = UNQUANTISED
    ) -> None:
        """Lay the model out, without memory for its weights.

        Raises:
            UsageError: a panel is to be quantised and this CPU has no instructions for it.
        """
        with without_weights():
            self._model = config.build()
        self._dtype = dtype
        self._bits = quantised_layers(self._model, quantize)
        if self._bits:
            check_int8()
        self._workspace = torch.empty(self._largest(), dtype=torch.int8)
        self._quantised: dict[str, QuantisedLinear | Int8Table] = {}
        self._state: dict[str, Tensor] = {}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes of all weights it takes."""
        return {name: tuple(each.shape) for name, each in self._model.state_dict().items()}

    def _largest(self) -> int:
        """Numbers of the largest layer that is quantised."""
        layers = (self._model.get_submodule(name) for name in self._bits if name != TABLE)
        return max(
            (each.weight.numel() for each in layers if isinstance(each, nn.Linear)), default=0
        )

    def put(self, name: str, tensor: Tensor) -> None:
        """Take a weight under our name; the tensor itself is not kept.

        A view of a mapped file is copied even where its dtype is the chosen one: it may begin
        anywhere in memory, and kernels then round otherwise in the last bits.
        """
        layer, _, kind = name.rpartition(".")
        if kind != "weight" or layer not in self._bits:
            self._state[name] = tensor.to(self._dtype, copy=True)
        elif layer == TABLE:
            self._quantised[layer] = Int8Table(tensor, self._dtype)
        else:
            self._quantised[layer] = quantise_linear(tensor, self._bits[layer], self._workspace)

    def finish(self) -> VLM:
        """The model, in evaluation mode; every weight must have been put."""
        keys = cast(Any, self._model.load_state_dict(self._state, strict=False, assign=True))
        left = set(keys.missing_keys) - {f"{name}.weight" for name in self._quantised}
        assert not (left or keys.unexpected_keys), f"left: {left}, unknown: {keys.unexpected_keys}"
        for name, layer in self._quantised.items():
            parent, _, own = name.rpartition(".")
            plain = self._model.get_submodule(name)
            if isinstance(plain, nn.Linear) and not isinstance(layer, Int8Table):
                layer.bias = plain.bias
            setattr(self._model.get_submodule(parent), own, layer)
        self._join()
        return self._model.eval()

    def _join(self) -> None:
        """Make one layer of those that read the same, in blocks that see no other context."""
        for panel in (self._model.vision, self._model.language):
            for block in cast(nn.Module, panel).modules():
                if isinstance(block, Block):
                    block.attention.join()
                    if isinstance(block.mlp, GatedMLP):
                        block.mlp.join()
