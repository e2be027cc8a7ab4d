"""Messages in, model inputs out: the only such path there is.

    messages -> template -> pieces -> one sample -> batch of ModelInputs
                 text ids, image slots     |
                 pictures -> resize -> pixels

Training, generation, evaluation and inspection call it, so a model sees the same token ids, the
same pixels and the same positions whoever asks. Room for a picture is reserved by the count that
the model's own configuration promises for that picture's size.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from triptych.batches import collate, pack
from triptych.connector import AnyResConfig
from triptych.errors import ConfigError, TokenError
from triptych.fusion.vlm import VLMConfig
from triptych.inputs import ModelInputs
from triptych.media import ClipLimits, Limits, Picture, PicturePolicy
from triptych.pictures import (
    VISUAL_PARTS,
    ClipConfig,
    EncodedImage,
    PictureEncoder,
    with_pixels,
)
from triptych.sequences import Branches, Sample, assemble, share_beginning
from triptych.shapes import Tiles
from triptych.text import (
    ChatTemplate,
    CoordinateFormat,
    Located,
    Part,
    Piece,
    Segment,
    TileTextConfig,
    Tokenizer,
    check_messages,
    located,
)

Message = Mapping[str, Any]
"""OpenAI-style: `role` and `content`, a text or a list of parts. A part says its `type` and
carries what it is under the key of that name:

    text    a text
    image   a path, bytes, array, PIL image or data URI
    video   a path, bytes, a folder or list of pictures, an array of frames, or a `Clip`
    box     a `Box` or [left, top, right, bottom] in pixels of the original picture
    point   a `Point` or [x, y], likewise

A box or a point may have a `label`, and an `image` says which picture it lies in, 0 the first;
clips are counted among the pictures. An image or a video may have `min_pixels` and `max_pixels`
where the model takes pictures at their own size, a video `fps`, `max_frames` and `source_fps`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessorConfig:
    """How messages become inputs for one model; saved in its folder."""

    resize: PicturePolicy
    """What happens to a picture's size and shape, and whether it is cut into tiles."""

    template: ChatTemplate
    """How a conversation becomes text."""

    coordinates: CoordinateFormat | None = None
    """How boxes and points are written; None for a model that does not know any."""

    tile_text: TileTextConfig | None = None
    """What is written around the tiles of a picture; None for nothing."""

    clips: ClipConfig = ClipConfig()
    """How much of a clip is looked at."""

    max_tokens: int = 2048
    """Longest sequence, visual slots included."""


class Processor:
    """Turn messages into inputs for one model."""

    def __init__(
        self,
        config: ProcessorConfig,
        model: VLMConfig,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        *,
        clip_limits: ClipLimits | None = None,
        max_pixels: int | None = None,
    ) -> None:
        """`max_pixels` is the most a picture may have, instead of what `config.resize` says.

        Raises:
            ConfigError: the tokenizer is larger than the model; or `max_pixels` is given and all
                pictures are resized to one size or cut into tiles; or words stand around tiles
                that the connector puts together again.
            TokenError: the tokenizer lacks a special token.
        """
        if config.tile_text is not None and isinstance(model.connector, AnyResConfig):
            raise ConfigError(
                "tile_text stands between the tiles of a picture, but an AnyRes connector puts "
                "them together again; leave one of them out"
            )
        resize = with_pixels(config.resize, None, max_pixels)
        self.config = replace(config, resize=resize)
        self.model = model
        self.tokenizer = tokenizer
        self.template = config.template
        self.pictures = PictureEncoder(resize, config.clips, model, limits, clip_limits)
        self.image_id = tokenizer.special(config.template.image_token)
        self.video_id = tokenizer.special(config.template.video_token or self.template.image_token)
        self.end_ids = (
            *(tokenizer.special(token) for token in config.template.end_tokens),
            *(tokenizer.ordinary(token) for token in config.template.stop_tokens),
        )
        self.pad_id = self.end_ids[0]
        if config.coordinates is not None:
            for token in config.coordinates.special_tokens:
                tokenizer.special(token)
        if tokenizer.vocab_size > model.language.vocab_size:
            raise ConfigError(
                f"the tokenizer has {tokenizer.vocab_size} tokens but the language model knows "
                f"{model.language.vocab_size}; build the model with the tokenizer's size"
            )

    # -- pictures ---------------------------------------------------------------------------

    def open(self, source: object) -> Picture:
        """Open one picture, safely, as the right way up RGB."""
        return self.pictures.open(source)

    def encode_image(self, source: object) -> EncodedImage:
        """One picture in this model's size and colour scale."""
        return self.pictures.encode_image(source)

    def encode_clip(self, source: object, *, fps: float | None = None) -> EncodedImage:
        """One clip, sampled and in this model's size and colour scale."""
        return self.pictures.encode_clip(source, fps=fps)

    def read_places(self, text: str, width: int, height: int) -> list[Located]:
        """Boxes and points that an answer holds, special tokens included.

        The answer is about a picture of `width` x `height` pixels, in which the places are.

        Raises:
            ConfigError: this model writes no places.
        """
        if self.config.coordinates is None:
            raise ConfigError("this model writes no boxes or points; look for none in its answers")
        seen_height, seen_width = self.config.resize.target_size(height, width)
        return self.config.coordinates.read(text, width, height, (seen_width, seen_height))

    # -- sequences --------------------------------------------------------------------------

    def encode(
        self,
        messages: Sequence[Message],
        *,
        sample_id: str = "",
        add_generation_prompt: bool = False,
        features: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """One conversation as one sequence; assistant answers and their end tokens are labelled.

        `features` stands in for the pictures of the messages, in order, when their vision
        features are already known.

        Raises:
            TokenError: the sequence is longer than `max_tokens` and cutting its end would cut a
                picture or leave no label; or a box or a point cannot be written.
        """
        self._hear([messages])
        images = self._images([messages], features)
        pieces = self._pieces(messages, images, add_generation_prompt)
        return self._assemble([pieces], images, sample_id)

    def encode_conversations(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        sample_id: str = "",
        images: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """Several conversations about the same pictures as one sequence that holds those once.

        Every conversation is tokenised alone. What all begin with is kept once, and each goes on
        from there in a branch: it sees the beginning and itself. The loss equals that of as many
        separate sequences, for a fraction of the tokens.

        `images` stands in for the pictures of each conversation, in order.

        Raises:
            TokenError: the conversations do not all begin with all of their pictures, or these
                are not the same; or the sequence cannot be cut to `max_tokens`.
        """
        self._hear(conversations)
        if not conversations:
            raise TokenError("there is no conversation to encode; give at least one")
        encoded = self._images(conversations, images)
        pieces = [self._pieces(messages, encoded) for messages in conversations]
        return self._assemble(share_beginning(pieces), encoded, sample_id)

    def encode_answers(
        self,
        messages: Sequence[Message],
        answers: Sequence[str],
        *,
        sample_id: str = "",
        features: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """Several alternative answers to one prompt: conversations that differ in their end.

        Raises:
            TokenError: as `encode_conversations`, or the template writes another prompt when an
                answer follows.
        """
        conversations = [[*messages, {"role": "assistant", "content": a}] for a in answers]
        self._hear(conversations)
        encoded = self._images([messages], features)
        prompt = self._pieces(messages, encoded, add_generation_prompt=True)
        whole = [self._pieces(conversation, encoded) for conversation in conversations]
        if any(pieces[: len(prompt)] != prompt for pieces in whole):
            raise TokenError(
                "the chat template changes the prompt when an answer follows it, so answers "
                "cannot share one prompt; train on single answers instead"
            )
        return self._assemble(share_beginning(whole) if whole else [prompt], encoded, sample_id)

    def collate(
        self, samples: Sequence[Sample], *, pad: Literal["left", "right"] = "right"
    ) -> ModelInputs:
        """One batch. Generation pads on the left so that all rows continue at one position.

        Raises:
            TokenError: some pictures are pixels and some are features already.
        """
        return collate(samples, pad_id=self.pad_id, pad=pad)

    def pack(self, rows: Sequence[Sequence[Sample]]) -> ModelInputs:
        """One batch for training whose rows hold several samples, none of which sees another.

        Raises:
            TokenError: as `collate`, or a row is empty.
        """
        return pack(rows, pad_id=self.pad_id)

    # -- steps ------------------------------------------------------------------------------

    def _hear(self, conversations: Sequence[Sequence[Message]]) -> None:
        """Told what becomes a sample before it does; for processors that listen in."""

    def _pieces(
        self,
        messages: Sequence[Message],
        images: Sequence[EncodedImage],
        add_generation_prompt: bool = False,
    ) -> list[Piece]:
        return self.template.pieces(
            messages,
            self.tokenizer,
            add_generation_prompt=add_generation_prompt,
            spell=None if self.config.coordinates is None else partial(self._spell, images),
        )

    def _spell(self, images: Sequence[EncodedImage], part: Part) -> tuple[Segment, ...]:
        """How a box or a point of these pictures is written."""
        assert self.config.coordinates is not None
        index = part.get("image", 0)
        if not isinstance(index, int) or not 0 <= index < len(images):
            raise TokenError(
                f"a {part['type']} lies in picture {index!r}, but the conversation's "
                f"{len(images)} pictures are counted from 0; give the right one under 'image'"
            )
        image = images[index]
        if image.original_height is None or image.original_width is None:
            raise TokenError(
                f"a {part['type']} lies in a picture whose original size was not recorded; "
                "encode the picture itself, or give original_height and original_width"
            )
        width, height = image.original_width, image.original_height
        seen = image.width, image.height
        if image.tiles is not None:  # the whole that all tiles of the grid show
            seen_height, seen_width = self.config.resize.target_size(height, width)
            seen = seen_width, seen_height
        return self.config.coordinates.write(located(part), width, height, seen)

    def _images(
        self,
        conversations: Sequence[Sequence[Message]],
        given: Sequence[EncodedImage] | None,
    ) -> Sequence[EncodedImage]:
        """The pictures that all the conversations are about, encoded once."""
        if given is not None:
            return given
        for messages in conversations:
            check_messages(messages)
        first, *others = map(image_parts, conversations)
        for parts in others:
            if len(parts) != len(first) or not all(map(_is_same, parts, first)):
                raise TokenError(
                    "the conversations are about different pictures, or about copies that cannot "
                    "be told to be equal; give each the same paths or objects"
                )
        return [self.pictures.encode_part(part) for part in first]

    def _assemble(
        self, branches: Branches, images: Sequence[EncodedImage], sample_id: str
    ) -> Sample:
        return assemble(
            self.model,
            branches,
            images,
            slot_ids=(self.image_id, self.video_id),
            max_tokens=self.config.max_tokens,
            sample_id=sample_id,
            around=None if self.config.tile_text is None else self._around,
        )

    def _around(self, tiles: Tiles) -> list[list[int]]:
        """What is written around the tiles of a picture."""
        assert self.config.tile_text is not None
        return self.config.tile_text.around(tiles, self.tokenizer)


def image_parts(messages: Sequence[Message]) -> list[Mapping[str, Any]]:
    """The image parts and video parts of a conversation, in order of appearance."""
    return [
        part
        for message in messages
        if not isinstance(message["content"], str)
        for part in message["content"]
        if part["type"] in VISUAL_PARTS
    ]


def ask_about(images: Sequence[object], text: str = "") -> list[Message]:
    """One user turn: the pictures first, then the text if there is any."""
    content: list[dict[str, object]] = [{"type": "image", "image": image} for image in images]
    if text:
        content.append({"type": "text", "text": text})
    return [{"role": "user", "content": content}]


def _is_same(first: Part, second: Part) -> bool:
    """Whether two parts hold one picture in one size, told without opening them."""
    kind = first["type"]
    options = [{**part, kind: None} for part in (first, second)]
    one, other = first[kind], second.get(kind)
    named = isinstance(one, str | bytes | os.PathLike) and isinstance(
        other, str | bytes | os.PathLike
    )
    return (one is other or (named and one == other)) and options[0] == options[1]
