"""Readers of the file formats people have; each returns its samples and a ledger.

A source is a small config: where the files are, and what is asked about the pictures. `read(root)`
gives its conversations, whose pictures are not opened yet, and the ledger of what it left out.
"""

from typing import TypeAlias

from triptych.data.sources.captioned_folder import CaptionedFolder
from triptych.data.sources.chart_qa import ChartQa
from triptych.data.sources.coco_captions import CocoCaptions
from triptych.data.sources.conversation import (
    Conversation,
    Conversations,
    Reading,
    StoredPicture,
)
from triptych.data.sources.doc_vqa import DocVqa
from triptych.data.sources.flickr8k import Flickr8k
from triptych.data.sources.flickr30k import Flickr30k
from triptych.data.sources.gqa import Gqa
from triptych.data.sources.hugging_face import HuggingFaceData
from triptych.data.sources.llava import LlavaSource
from triptych.data.sources.messages import MessagesSource
from triptych.data.sources.ref_coco import RefCoco
from triptych.data.sources.text_vqa import TextVqa
from triptych.data.sources.vqa_v2 import VqaV2
from triptych.data.sources.web_dataset import WebDataset

DataSource: TypeAlias = (
    MessagesSource
    | LlavaSource
    | CocoCaptions
    | VqaV2
    | Gqa
    | TextVqa
    | DocVqa
    | ChartQa
    | RefCoco
    | Flickr8k
    | Flickr30k
    | CaptionedFolder
    | HuggingFaceData
    | WebDataset
)
"""Every format there is; each has `tolerate` and `read(root)`."""

__all__ = [
    "CaptionedFolder",
    "ChartQa",
    "CocoCaptions",
    "Conversation",
    "Conversations",
    "DataSource",
    "DocVqa",
    "Flickr8k",
    "Flickr30k",
    "Gqa",
    "HuggingFaceData",
    "LlavaSource",
    "MessagesSource",
    "Reading",
    "RefCoco",
    "StoredPicture",
    "TextVqa",
    "VqaV2",
    "WebDataset",
]
