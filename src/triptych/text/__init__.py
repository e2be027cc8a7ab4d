"""Text and tokens: tokenizers, chat templates, special tokens."""

from triptych.text.template import ChatTemplate, ImagePiece, Piece, TextPiece, check_messages
from triptych.text.templates import FLAMINGO, PLAIN_CAPTION, QWEN2_VL, QWEN2_VL_SPECIALS, VICUNA
from triptych.text.tokenizer import StreamDecoder, Tokenizer

__all__ = [
    "FLAMINGO",
    "PLAIN_CAPTION",
    "QWEN2_VL",
    "QWEN2_VL_SPECIALS",
    "VICUNA",
    "ChatTemplate",
    "ImagePiece",
    "Piece",
    "StreamDecoder",
    "TextPiece",
    "Tokenizer",
    "check_messages",
]
