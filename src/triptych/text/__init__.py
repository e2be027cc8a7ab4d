"""Text and tokens: tokenizers, chat templates, special tokens.

What people write and what controls a model are kept apart from here on: `Tokenizer.encode` makes
no special tokens, and `ChatTemplate.pieces` writes them only where the template does.
"""

from triptych.text.cells import CellsConfig
from triptych.text.coordinates import CoordinateFormat, ThousandthsConfig
from triptych.text.located import Located, located
from triptych.text.marks import Segment
from triptych.text.messages import Message, Part, check_messages
from triptych.text.pieces import ImagePiece, Piece, TextPiece
from triptych.text.pixels import PixelsConfig
from triptych.text.streaming import StreamDecoder
from triptych.text.template import ChatTemplate
from triptych.text.templates import (
    FLAMINGO,
    GIT,
    GIT_TEXT,
    INTERNVL,
    INTERNVL_SPECIALS,
    KOSMOS2,
    KOSMOS2_SPECIALS,
    MISTRAL,
    PALIGEMMA,
    PLAIN_CAPTION,
    QWEN2_VL,
    QWEN2_VL_SPECIALS,
    SMOLVLM,
    SMOLVLM_SPECIALS,
    VICUNA,
    internvl_source,
)
from triptych.text.tiles import TileTextConfig
from triptych.text.tokenizer import Tokenizer

__all__ = [
    "FLAMINGO",
    "GIT",
    "GIT_TEXT",
    "INTERNVL",
    "INTERNVL_SPECIALS",
    "KOSMOS2",
    "KOSMOS2_SPECIALS",
    "MISTRAL",
    "PALIGEMMA",
    "PLAIN_CAPTION",
    "QWEN2_VL",
    "QWEN2_VL_SPECIALS",
    "SMOLVLM",
    "SMOLVLM_SPECIALS",
    "VICUNA",
    "CellsConfig",
    "ChatTemplate",
    "CoordinateFormat",
    "ImagePiece",
    "Located",
    "Message",
    "Part",
    "Piece",
    "PixelsConfig",
    "Segment",
    "StreamDecoder",
    "TextPiece",
    "ThousandthsConfig",
    "TileTextConfig",
    "Tokenizer",
    "check_messages",
    "internvl_source",
    "located",
]
