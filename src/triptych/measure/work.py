"""What a stage cannot do without: operations, and bytes that must come from memory.

    operations   a multiplication and an addition count two; of products of matrices and of
                 attention, which are nearly all there are; by the kind of number they are done in
    bytes        weights as they are kept, once; what goes in and comes out; keys and values

The vision panel and the connector are counted by sending shapes through the model without
weights, so whatever is built is counted. The language panel is counted from its layers: a causal
token attends only to what stands before it, logits are made of the last position alone, and so
the last block has to do more than keys and values for that one only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from triptych.fusion.gated import Gated, GatedBlock
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.nn.quantised import Int4Linear, Int8Joint, Int8Linear, Int8Table
from triptych.shapes import VisionFeatures
from triptych.xray.anatomy import build_on_meta
from triptych.xray.walk import cache_bytes_per_token

Result = TypeVar("Result")

PIXEL_BYTES = 4
"""Pictures arrive in float32."""


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done."""

    operations: Mapping[str, int]
    """By kind of number, those of quantised layers under what their weights are kept in."""
    num_bytes: int

    @property
    def total(self) -> int:
        """Operations of all kinds."""
        return sum(self.operations.values())

    def __add__(self, other: "Work") -> "Work":
        return Work(_sum(self.operations, other.operations), self.num_bytes + other.num_bytes)


NOTHING = Work({}, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What of a prompt decides about the work."""

    num_tokens: int
    """Positions of the sequence."""
    num_mutual: int = 0
    """Leading positions that all see each other; see `ModelInputs.mutual_mask`."""
    num_pictures: int = 0
    num_visual: int = 0
    """Visual tokens of all pictures."""
    num_before: int = 0
    """Positions before the first picture, which look at none."""

    @classmethod
    def of(cls, inputs: ModelInputs, visual: Sequence[Tensor]) -> "Prompt":
        """That of one sequence without padding, and the visual tokens of its pictures."""
        length = inputs.token_ids.shape[1]
        mutual = inputs.mutual_mask
        return cls(
            num_tokens=length,
            num_mutual=0 if mutual is None else int(mutual.sum()),
            num_pictures=len(visual),
            num_visual=sum(map(len, visual)),
            num_before=min((span.start for span in inputs.spans), default=length),
        )


class Workload:
    """Counts what one model has to do."""

    def __init__(self, model: VLM) -> None:
        self.config = model.config
        self.dtype = str(model.language.dtype).removeprefix("torch.")
        self._model = model
        self._itemsize = model.language.dtype.itemsize
        self._plain = build_on_meta(model.config)
        self._kinds = _kinds(self._plain, model, self.dtype)

    # -- pictures -----------------------------------------------------------------------------

    def seeing(self, shapes: Sequence[tuple[int, ...]]) -> tuple[Work, Work]:
        """Work of the vision panel and of the connector for pixels of these shapes."""
        vision, connector = NOTHING, NOTHING
        for shape in shapes:
            seen, joined = self._seeing(shape)
            vision, connector = vision + seen, connector + joined
        return vision, connector

    def _seeing(self, shape: tuple[int, ...]) -> tuple[Work, Work]:
        pixels = torch.empty(shape, device="meta")
        features, done = self._counted("vision", lambda: self._plain.vision(pixels))
        visual, joined = self._counted("connector", lambda: self._plain.connector(features))
        between = _numbers(features) * self._itemsize
        weights = held_bytes(cast(nn.Module, self._model.vision))
        vision = Work(done, weights + pixels.numel() * PIXEL_BYTES + between)
        weights = held_bytes(cast(nn.Module, self._model.connector))
        out = visual.numel() * self._itemsize
        return vision, Work(joined, weights + between + out)

    def _counted(self, panel: str, run: Callable[[], Result]) -> tuple[Result, Mapping[str, int]]:
        """Run on shapes alone; the operations by kind of number."""
        with (
            torch.inference_mode(),
            torch.device("meta"),
            FlopCounterMode(display=False) as counter,
        ):
            result = run()
        by_module = {
            name.partition(".")[2]: sum(counts.values())
            for name, counts in counter.get_flop_counts().items()
        }
        operations = {self.dtype: counter.get_total_flops()}
        for name, kind in self._kinds.items():
            own, _, inner = name.partition(".")
            if own == panel and kind != self.dtype and (done := by_module.get(inner, 0)):
                operations = _sum(operations, {kind: done, self.dtype: -done})
        return result, operations

    # -- language -----------------------------------------------------------------------------

    def reading(self, prompt: Prompt) -> Work:
        """Work of reading a prompt and of the logits of its last position."""
        language, length = self.config.language, prompt.num_tokens
        pairs = visible_pairs(length, prompt.num_mutual, language.window)
        looking = length - prompt.num_before
        seen = min(length, language.window or length)
        work = self._blocks(length, pairs, pairs_of_last=seen)
        work += self._gated(length, looking, prompt, is_new=True)
        written = length * cache_bytes_per_token(self.config, self._itemsize)
        embedded = length * language.dim * self._itemsize
        return work + self._head() + Work({}, written + embedded)

    def stepping(self, prompt: Prompt, num_held: int) -> Work:
        """Work of one more token behind `num_held` others, and of the logits of the next."""
        window = self.config.language.window
        pairs = min(num_held + 1, window or num_held + 1)
        looking = int(prompt.num_pictures > 0)
        work = self._blocks(1, pairs, pairs_of_last=pairs)
        work += self._gated(1, looking, prompt, is_new=False)
        read = pairs * cache_bytes_per_token(self.config, self._itemsize)
        return work + self._head() + Work({}, read)

    def _blocks(self, rows: int, pairs: int, pairs_of_last: int) -> Work:
        """All blocks for so many rows, the last one for one row but for keys and values."""
        language, last = self.config.language, self.config.language.depth - 1
        all_pairs = last * pairs + pairs_of_last
        operations: Mapping[str, int] = {
            self.dtype: 4 * language.num_heads * language.head_width * all_pairs
        }
        spared = ("attention.query", "attention.out", "mlp")
        counts = {"language.blocks": rows}
        counts |= {f"language.blocks.{last}.{part}": min(1, rows) - rows for part in spared}
        for inside, number in counts.items():
            operations = _sum(operations, self._linear(inside, number))
        return Work(operations, held_bytes(self._model.language.blocks))

    def _gated(self, rows: int, looking: int, prompt: Prompt, *, is_new: bool) -> Work:
        """Cross-attention between the blocks: `looking` of the rows see one picture each."""
        fusion = self._plain.fusion
        if not isinstance(fusion, Gated):
            return NOTHING
        config = fusion.config
        fed = rows if config.mlp_before_pictures else looking
        if not fed:
            return NOTHING
        operations: Mapping[str, int] = {}
        for layer, block in fusion.blocks.items():
            assert isinstance(block, GatedBlock)
            counts = {"query": looking, "out": looking, "mlp": fed}
            counts |= dict.fromkeys(("key", "value"), prompt.num_visual * is_new)
            for part, number in counts.items():
                inner = part if part == "mlp" else f"attention.{part}"
                done = self._linear(f"fusion.blocks.{layer}.{inner}", number)
                operations = _sum(operations, done)
        seen = prompt.num_visual // max(1, prompt.num_pictures)
        width = len(fusion.blocks) * config.num_heads * config.head_dim
        attention = {self.dtype: 4 * width * looking * seen}
        held = 2 * width * (prompt.num_visual if is_new else seen) * self._itemsize
        return Work(_sum(operations, attention), held_bytes(self._model.fusion) + held)

    def _head(self) -> Work:
        """One row of logits."""
        language, model = self.config.language, self._model.language
        extra = language.extra_tokens * language.dim
        kind = "int8" if isinstance(model.embedding, Int8Table) else self.dtype
        head = model.embedding if model.lm_head is None else model.lm_head
        kind = self._kinds.get("language.lm_head", kind)
        held = head.head_bytes if isinstance(head, Int8Table) else held_bytes(head)
        weights = held + extra * self._itemsize
        common = {kind: 2 * language.common_tokens * language.dim}
        return Work(_sum(common, {self.dtype: 2 * extra}), weights)

    def _linear(self, inside: str, rows: int) -> Mapping[str, int]:
        """Operations of all linear layers inside a module, each with so many rows."""
        operations: dict[str, int] = {}
        for name, module in _named(self._plain.get_submodule(inside), inside):
            if isinstance(module, nn.Linear):
                kind = self._kinds[name]
                done = 2 * rows * module.weight.numel()
                operations[kind] = operations.get(kind, 0) + done
        return operations


def visible_pairs(num_tokens: int, num_mutual: int = 0, window: int | None = None) -> int:
    """How many pairs of a token and one that it sees there are in a sequence.

    Tokens see themselves and those before them, the first `num_mutual` each other, and none more
    than `window`.
    """
    most = window or num_tokens
    mutual = num_mutual * min(num_mutual, most)
    return mutual + sum(min(index + 1, most) for index in range(num_mutual, num_tokens))


def held_bytes(module: nn.Module) -> int:
    """What the weights of a module take as they are kept."""
    plain = sum(each.nbytes for each in module.parameters())
    return plain + sum(
        each.memory_bytes
        for each in module.modules()
        if isinstance(each, Int8Linear | Int8Joint | Int8Table | Int4Linear)
    )


def _kinds(plain: VLM, model: VLM, dtype: str) -> dict[str, str]:
    """In what each linear layer of the plain model multiplies, by its name there."""
    modules = dict(_named(model))
    kinds: dict[str, str] = {}
    for name, module in _named(plain):
        if isinstance(module, nn.Linear):
            kinds[name] = _kind(_nearest(modules, name), dtype)
    return kinds


def _named(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """All modules inside and the module itself by their names, which torch leaves untyped."""
    return cast(Iterator[tuple[str, nn.Module]], module.named_modules(prefix=prefix))


def _nearest(modules: Mapping[str, nn.Module], name: str) -> nn.Module:
    """The module of that name, or the one around it where layers were made one for speed."""
    while name not in modules:
        name = name.rpartition(".")[0]
    return modules[name]


def _kind(module: nn.Module, dtype: str) -> str:
    for each in module.modules():
        if isinstance(each, Int8Linear | Int8Joint | Int8Table):
            return "int8"
        if isinstance(each, Int4Linear):
            return "int4"
    return dtype


def _numbers(features: VisionFeatures) -> int:
    return features.cells.numel() + features.prefix.numel()


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Added up kind by kind; kinds of which nothing is left are left out."""
    added = {kind: first.get(kind, 0) + second.get(kind, 0) for kind in {**first, **second}}
    return {kind: count for kind, count in added.items() if count}
