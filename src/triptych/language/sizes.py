"""Published decoders, every number on one page."""

from dataclasses import replace

from triptych.errors import ConfigError
from triptych.language.decoder import DecoderConfig
from triptych.language.positions import LearnedPositionsConfig, RotaryConfig


def smollm_360m() -> DecoderConfig:
    """SmolLM-360M: 361,821,120 parameters."""
    return DecoderConfig(
        vocab_size=49_152,
        dim=960,
        depth=32,
        num_heads=15,
        num_kv_heads=5,
        ffn_dim=2560,
        tied=True,
        positions=RotaryConfig(theta=10_000.0),
    )


def llama_7b(vocab_size: int = 32_000) -> DecoderConfig:
    """Llama 7B, of which Vicuna 7B is a fine-tuning."""
    return DecoderConfig(
        vocab_size=vocab_size,
        dim=4096,
        depth=32,
        num_heads=32,
        num_kv_heads=32,
        ffn_dim=11_008,
        positions=RotaryConfig(theta=10_000.0),
    )


def mistral_7b() -> DecoderConfig:
    """Mistral 7B v0.1, with its sliding window."""
    return DecoderConfig(
        vocab_size=32_000,
        dim=4096,
        depth=32,
        num_heads=32,
        num_kv_heads=8,
        ffn_dim=14_336,
        positions=RotaryConfig(theta=10_000.0),
        window=4096,
    )


def qwen2_1_5b() -> DecoderConfig:
    """Qwen2 1.5B, the language panel of Qwen2-VL 2B when given M-RoPE."""
    return _qwen2(dim=1536, depth=28, num_heads=12, num_kv_heads=2, ffn_dim=8960, tied=True)


def qwen2_7b() -> DecoderConfig:
    """Qwen2 7B with the vocabulary that Qwen2-VL 7B uses."""
    return _qwen2(
        dim=3584, depth=28, num_heads=28, num_kv_heads=4, ffn_dim=18_944, vocab_size=152_064
    )


def qwen2_72b() -> DecoderConfig:
    """Qwen2 72B with the vocabulary that Qwen2-VL 72B uses."""
    return _qwen2(
        dim=8192, depth=80, num_heads=64, num_kv_heads=8, ffn_dim=29_568, vocab_size=152_064
    )


def qwen2_5_3b() -> DecoderConfig:
    """Qwen2.5 3B, the language panel of Qwen2.5-VL 3B when given M-RoPE."""
    return _qwen2(dim=2048, depth=36, num_heads=16, num_kv_heads=2, ffn_dim=11_008, tied=True)


def gemma_2b(vocab_size: int = 256_000) -> DecoderConfig:
    """Gemma 2B, one key head for all queries; PaliGemma's has a larger vocabulary."""
    return _gemma(
        dim=2048, depth=18, num_heads=8, num_kv_heads=1, ffn_dim=16_384, vocab_size=vocab_size
    )


def gemma_7b() -> DecoderConfig:
    """Gemma 7B, whose 16 heads of 256 are together wider than the model."""
    return _gemma(dim=3072, depth=28, num_heads=16, num_kv_heads=16, ffn_dim=24_576)


def opt_2_7b() -> DecoderConfig:
    """OPT 2.7B: layer norm, ReLU, learned positions, biases everywhere."""
    return _opt(dim=2560, depth=32, num_heads=32)


def _qwen2(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    num_kv_heads: int,
    ffn_dim: int,
    vocab_size: int = 151_936,
    tied: bool = False,
) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=vocab_size,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        ffn_dim=ffn_dim,
        norm_eps=1e-6,
        qkv_bias=True,
        tied=tied,
        positions=RotaryConfig(theta=1_000_000.0),
    )


def _gemma(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    num_kv_heads: int,
    ffn_dim: int,
    vocab_size: int = 256_000,
) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=vocab_size,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=None if dim == 256 * num_heads else 256,
        ffn_dim=ffn_dim,
        norm="rms_offset",
        norm_eps=1e-6,
        activation="gelu_tanh",
        scale_embeddings=True,
        tied=True,
        positions=RotaryConfig(theta=10_000.0),
    )


def _opt(*, dim: int, depth: int, num_heads: int) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=50_272,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_heads,
        ffn_dim=4 * dim,
        norm="layer",
        activation="relu",
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        tied=True,
        positions=LearnedPositionsConfig(max_positions=2048, offset=2),
    )


def with_mrope(config: DecoderConfig, sections: tuple[int, int, int]) -> DecoderConfig:
    """The same decoder with its rotary positions told in time, row and column.

    Raises:
        ConfigError: the decoder has no rotary positions.
    """
    if not isinstance(config.positions, RotaryConfig):
        raise ConfigError("M-RoPE turns rotary positions; this decoder has learned ones")
    return replace(config, positions=replace(config.positions, mrope_sections=sections))
