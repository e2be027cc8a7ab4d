"""What is wrong with what is said in a conversation, before it is made into tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

from triptych.data.sources import Conversation
from triptych.preflight.findings import Finding
from triptych.text import ChatTemplate
from triptych.text.messages import parts_of

EMPTY, SLOT_AS_TEXT = "empty answer", "slot written as text"


def said_findings(conversation: Conversation, template: ChatTemplate) -> Iterator[Finding]:
    """Answers that say nothing, and words that look like a picture's slot and show none."""
    words = {"<image>", template.image_token, template.video_token} - {""}
    for messages in (conversation.messages, *conversation.others):
        for number, message in enumerate(messages, start=1):
            text = "".join(p["text"] for p in parts_of(message) if p["type"] == "text")
            if message["role"] == "assistant" and not _says_something(message, text):
                yield Finding(
                    EMPTY,
                    conversation.sample_id,
                    f"message {number} of the assistant says nothing",
                    "write the answer, or leave the sample out",
                )
            for word in sorted(word for word in words if word in text):
                yield Finding(
                    SLOT_AS_TEXT,
                    conversation.sample_id,
                    f"message {number} has {word} in its text, which shows no picture",
                    'give the picture as a part: {"type": "image", "image": PATH}',
                    spoils=False,
                )


def _says_something(message: Mapping[str, Any], text: str) -> bool:
    return bool(text.strip()) or any(part["type"] != "text" for part in parts_of(message))
