"""Reading a transformers decoder beside ours: random weights, a key map, one comparison."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from triptych.language import Decoder, DecoderConfig

SHAPE = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "attn_implementation": "eager",
}
"""A tiny reference of the Llama family; `CONFIG` is the same in our words."""

CONFIG = DecoderConfig(
    vocab_size=61, dim=32, depth=3, num_heads=4, num_kv_heads=2, ffn_dim=48, norm_eps=1e-5
)

LLAMA_KEYS = {
    "model.": "",
    "embed_tokens.": "embedding.",
    "layers.": "blocks.",
    "input_layernorm.": "norm_1.",
    "post_attention_layernorm.": "norm_2.",
    "self_attn.q_proj.": "attention.query.",
    "self_attn.k_proj.": "attention.key.",
    "self_attn.v_proj.": "attention.value.",
    "self_attn.o_proj.": "attention.out.",
    "gate_proj.": "gate.",
    "up_proj.": "up.",
    "down_proj.": "down.",
}


def randomise(reference: nn.Module) -> nn.Module:
    """Redraw every parameter, so that no zero or one hides a mistake.

    Weights are wider than usual: scores must be far from equal, or a wrong position, mask or
    scale would hardly show.
    """
    generator = torch.Generator().manual_seed(0)
    for name, parameter in reference.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        is_norm = parameter.ndim == 1 and name.endswith("weight")
        parameter.data = 1 + 0.05 * drawn if is_norm else 0.2 * drawn
    return reference.eval()


def ours_of(config: DecoderConfig, reference: nn.Module, keys: Mapping[str, str]) -> Decoder:
    """Our decoder with the reference's weights, all of which must find their place."""
    weights = dict(reference.named_parameters())  # a tied head is listed once
    decoder = config.build().eval()
    decoder.load_state_dict({_renamed(name, keys): weights[name] for name in weights})
    return decoder


def _renamed(name: str, keys: Mapping[str, str]) -> str:
    for theirs, ours in keys.items():
        name = name.replace(theirs, ours)
    return name


def padded_batch(num_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, which of them are real (the second row is padded by 3), and positions."""
    generator = torch.Generator().manual_seed(1)
    token_ids = torch.randint(0, SHAPE["vocab_size"], (2, num_tokens), generator=generator)
    token_mask = torch.ones(2, num_tokens, dtype=torch.bool)
    token_mask[1, :3] = False
    return token_ids, token_mask, (token_mask.cumsum(dim=1) - 1).clamp(min=0)


@torch.no_grad()
def worst_difference(decoder: Decoder, reference: nn.Module, num_tokens: int = 12) -> float:
    """Largest difference between any two logits of real tokens in a padded batch.

    Ours are computed as when generating: a prompt into the cache, then a chunk, then steps.
    """
    token_ids, token_mask, position_ids = padded_batch(num_tokens)
    theirs = reference(
        input_ids=token_ids, attention_mask=token_mask.long(), position_ids=position_ids
    ).logits
    cache, pieces = decoder.allocate_cache(2, num_tokens), []
    sizes = [num_tokens - 5, 3, 1, 1]
    for ids, real, where in zip(
        *(each.split(sizes, dim=1) for each in (token_ids, token_mask, position_ids)), strict=True
    ):
        cache.extend_mask(real)
        hidden = decoder(decoder.embed(ids), position_ids=where, cache=cache)
        pieces.append(decoder.head(hidden))
    ours = torch.cat(pieces, dim=1)
    assert ours.shape == theirs.shape and theirs.std() > 0.1
    return float((ours - theirs)[token_mask].abs().max())
