"""The panels that debug twins share: real in kind, small enough to train on a CPU in seconds."""

from triptych.language import DecoderConfig, RotaryConfig
from triptych.text import Tokenizer

DEBUG_CORPUS = (
    "a red circle to the left of a blue square",
    "what is in the picture? there is a green triangle above a white cross",
    "describe the picture. the yellow square is below the purple circle",
)
"""Text that a debug tokenizer is trained on when no other is at hand."""

DEBUG_VOCAB_SIZE = 320
"""256 bytes, special tokens and a few merges; also the size of every debug language panel."""


def debug_tokenizer(special_tokens: tuple[str, ...]) -> Tokenizer:
    """A tokenizer that knows these special tokens and every byte."""
    return Tokenizer.train_byte_bpe(DEBUG_CORPUS, DEBUG_VOCAB_SIZE, special_tokens)


def debug_decoder(
    *,
    dim: int = 64,
    depth: int = 2,
    num_heads: int = 4,
    num_kv_heads: int = 2,
    qkv_bias: bool = False,
    tied: bool = True,
    theta: float = 10_000.0,
    mrope_sections: tuple[int, int, int] | None = None,
    vocab_size: int = DEBUG_VOCAB_SIZE,
) -> DecoderConfig:
    """A decoder of the Llama kind; heads are 16 wide."""
    return DecoderConfig(
        vocab_size=vocab_size,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        ffn_dim=2 * dim,
        qkv_bias=qkv_bias,
        tied=tied,
        positions=RotaryConfig(theta=theta, mrope_sections=mrope_sections),
    )
