"""Models with random weights: speed depends on a model's shape, not on what it has learned."""

import torch
from torch import Tensor

from triptych.architectures import Architecture, find_architecture
from triptych.architectures.debug import DEBUG_CORPUS
from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.precision import Filling, find_dtype, read_quantize
from triptych.errors import FailureError
from triptych.machine import available_memory_bytes
from triptych.processor import Processor, ProcessorConfig
from triptych.text import (
    INTERNVL_SPECIALS,
    KOSMOS2_SPECIALS,
    QWEN2_VL_SPECIALS,
    SMOLVLM_SPECIALS,
    Tokenizer,
)
from triptych.xray.forecast import gigabytes, weight_bytes

SPREAD = 0.02
"""Standard deviation of the weights, that of most language models before training."""

VOCAB_SIZE = 2048
"""Of the tokenizer at most; the table and the head have the size of the architecture's."""


def fresh_model(
    architecture: str | Architecture,
    *,
    dtype: str = "float32",
    quantize: str = "",
    max_pixels: int | None = None,
    seed: int = 0,
) -> LoadedModel:
    """A named architecture with random weights, and a small tokenizer with its special tokens.

    Weights are drawn one tensor at a time, each at once in the chosen precision. The tokenizer
    knows few words, so that a text is more tokens than with the published one.

    Args:
        architecture: Or its name, in which a hyphen is as good as an underscore.
        dtype: What it computes in.
        quantize: Panels kept in fewer bits, see `read_quantize`.
        max_pixels: The most that pictures may have, instead of what the architecture says.
        seed: Of the weights.

    Raises:
        UnknownNameError: there is no such architecture or kind of numbers.
        UsageError: a panel is to be quantised and this CPU has no instructions for it.
        FailureError: the weights do not fit into the memory that is left.
    """
    if isinstance(architecture, str):
        architecture = find_architecture(architecture.replace("-", "_"))
    numbers, bits = find_dtype(dtype), read_quantize(quantize)
    needed, left = (
        sum(weight_bytes(architecture.model, numbers, bits).values()),
        available_memory_bytes(),
    )
    if needed > left:
        raise FailureError(
            f"the weights of {architecture.name} take {gigabytes(needed)} and this machine has "
            f"{gigabytes(left)} to spare; take a smaller one, or fewer bits by --dtype and "
            "--quantize"
        )
    filling = Filling(architecture.model, numbers, bits)
    generator = torch.Generator().manual_seed(seed)
    for weight, shape in filling.shapes.items():
        filling.put(weight, _drawn(weight, shape, generator))
    tokenizer = fresh_tokenizer(architecture.processor, architecture.model.language.vocab_size)
    processor = Processor(
        architecture.processor, architecture.model, tokenizer, max_pixels=max_pixels
    )
    return LoadedModel(architecture, filling.finish(), processor)


def _drawn(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Factors of norms are one, so that what passes through neither grows nor vanishes."""
    if len(shape) < 2:
        return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
    # Evenly spread: drawn in a third of the time that a normal distribution takes.
    reach = SPREAD * 3**0.5
    return torch.empty(shape).uniform_(-reach, reach, generator=generator)


def fresh_tokenizer(config: ProcessorConfig, vocab_size: int) -> Tokenizer:
    """Bytes, a few words, and all the special tokens that a processor writes."""
    specials = _special_tokens(config)
    room = min(vocab_size, max(VOCAB_SIZE, len(specials) + 2 * 256))
    return Tokenizer.train_byte_bpe(DEBUG_CORPUS, room, specials)


def _special_tokens(config: ProcessorConfig) -> tuple[str, ...]:
    template = config.template
    needed = [template.bos_token, *template.end_tokens, template.image_token, template.video_token]
    if config.coordinates is not None:
        needed += config.coordinates.special_tokens
    written = template.source
    if config.tile_text is not None:
        written += config.tile_text.before + config.tile_text.after
    for known in (QWEN2_VL_SPECIALS, SMOLVLM_SPECIALS, INTERNVL_SPECIALS, KOSMOS2_SPECIALS):
        if template.image_token in known and any(token in written for token in known):
            needed = [*known, *needed]
            break
    return tuple(dict.fromkeys(filter(None, needed)))
