"""Messages in, model inputs out: the only such path there is.

    messages -> template -> pieces -> one sample -> batch of ModelInputs
                 text ids, image slots     |
                 pictures -> resize -> pixels

Training, generation, evaluation and inspection call it, so a model sees the same token ids, the
same pixels and the same positions whoever asks. Room for a picture is reserved by the count that
the model's own configuration promises for that picture's size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from triptych.errors import ConfigError, TokenError
from triptych.fusion.vlm import VLMConfig
from triptych.inputs import IGNORED, PREFIX_BRANCH, ImageSpan, ModelInputs
from triptych.language import RotaryConfig
from triptych.media import (
    Limits,
    Picture,
    PixelConfig,
    ResizeConfig,
    open_image,
    to_pixels,
)
from triptych.nn.rotary import multimodal_positions
from triptych.text import ChatTemplate, ImagePiece, Piece, Tokenizer

Message = Mapping[str, Any]
"""OpenAI-style: `role` and `content`, a text or a list of text and image parts. An image part
carries its picture under the key `image`: a path, bytes, array, PIL image or data URI."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessorConfig:
    """How messages become inputs for one model; saved in its folder."""

    resize: ResizeConfig
    """What happens to a picture's size and shape."""

    template: ChatTemplate
    """How a conversation becomes text."""

    max_tokens: int = 2048
    """Longest sequence, visual slots included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImage:
    """One picture as the model takes it."""

    pixels: Tensor
    """`channel height width`, or cached features `row col vision_dim`, see `is_features`."""

    height: int
    """Size in pixels after resizing."""
    width: int
    is_features: bool = False
    """True when `pixels` holds what the frozen vision panel already made of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sequence before it is batched."""

    sample_id: str
    token_ids: list[int]
    labels: list[int]
    branches: list[int]
    """All zero unless several answers share one prompt; see `ModelInputs.branches`."""
    position_ids: Int[Tensor, "*axis token"]
    images: tuple[EncodedImage, ...]
    spans: tuple[ImageSpan, ...]
    num_truncated: int = 0
    """Tokens cut from the end to fit `max_tokens`."""


class Processor:
    """Turn messages into inputs for one model."""

    def __init__(
        self,
        config: ProcessorConfig,
        model: VLMConfig,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
    ) -> None:
        self.config = config
        self.model = model
        self.tokenizer = tokenizer
        self.limits = limits or Limits()
        self.template = config.template
        self.pixels = PixelConfig(mean=model.vision.pixel_mean, std=model.vision.pixel_std)
        self.image_id = tokenizer.special(config.template.image_token)
        self.end_ids = tuple(tokenizer.special(token) for token in config.template.end_tokens)
        self.pad_id = self.end_ids[0]
        if tokenizer.vocab_size > model.language.vocab_size:
            raise ConfigError(
                f"the tokenizer has {tokenizer.vocab_size} tokens but the language model knows "
                f"{model.language.vocab_size}; build the model with the tokenizer's size"
            )

    # -- pictures ---------------------------------------------------------------------------

    def open(self, source: object) -> Picture:
        """Open one picture, safely, as the right way up RGB."""
        return source if isinstance(source, Picture) else open_image(source, limits=self.limits)

    def encode_image(self, source: object) -> EncodedImage:
        """One picture in this model's size and colour scale."""
        resized, _ = self.config.resize.apply(self.open(source))
        pixels = to_pixels(resized, self.pixels)
        return EncodedImage(pixels=pixels, height=pixels.shape[-2], width=pixels.shape[-1])

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
                picture or leave no label.
        """
        pieces = self._pieces(messages, add_generation_prompt)
        images = self._images(messages) if features is None else list(features)
        return self._assemble([(PREFIX_BRANCH, pieces)], images, sample_id)

    def encode_answers(
        self,
        messages: Sequence[Message],
        answers: Sequence[str],
        *,
        sample_id: str = "",
        features: Sequence[EncodedImage] | None = None,
    ) -> Sample:
        """Several alternative answers to one prompt as one sequence that holds the prompt once.

        Each answer is a branch: it sees the prompt and itself. The loss equals that of as many
        separate sequences, for a fraction of the tokens.
        """
        prompt = self._pieces(messages, add_generation_prompt=True)
        parts = [(PREFIX_BRANCH, prompt)]
        for branch, answer in enumerate(answers, start=1):
            whole = self._pieces(
                [*messages, {"role": "assistant", "content": answer}], add_generation_prompt=False
            )
            parts.append((branch, _continuation(prompt, whole)))
        images = self._images(messages) if features is None else list(features)
        return self._assemble(parts, images, sample_id)

    def collate(
        self, samples: Sequence[Sample], *, pad: Literal["left", "right"] = "right"
    ) -> ModelInputs:
        """One batch. Generation pads on the left so that all rows continue at one position.

        Raises:
            TokenError: some pictures are pixels and some are features already.
        """
        are_features = {image.is_features for sample in samples for image in sample.images}
        if len(are_features) > 1:
            raise TokenError(
                "one batch holds pictures as pixels and as vision features; "
                "encode all of its samples one way"
            )
        length = max(len(sample.token_ids) for sample in samples)
        shifts = [length - len(s.token_ids) if pad == "left" else 0 for s in samples]
        token_mask = torch.zeros(len(samples), length, dtype=torch.bool)
        for row, (sample, shift) in enumerate(zip(samples, shifts, strict=True)):
            token_mask[row, shift : shift + len(sample.token_ids)] = True
        branches = None
        if any(branch for sample in samples for branch in sample.branches):
            branches = _pad([torch.tensor(s.branches) for s in samples], shifts, length, -1)
        return ModelInputs(
            token_ids=_pad(
                [torch.tensor(s.token_ids) for s in samples], shifts, length, self.pad_id
            ),
            token_mask=token_mask,
            position_ids=_pad([s.position_ids for s in samples], shifts, length, 0),
            images=tuple(image.pixels for sample in samples for image in sample.images),
            images_are_features=are_features == {True},
            spans=tuple(
                replace(span, batch_index=row, start=span.start + shifts[row])
                for row, sample in enumerate(samples)
                for span in sample.spans
            ),
            labels=_pad([torch.tensor(s.labels) for s in samples], shifts, length, IGNORED),
            branches=branches,
        )

    # -- steps ------------------------------------------------------------------------------

    def _pieces(self, messages: Sequence[Message], add_generation_prompt: bool) -> list[Piece]:
        return self.template.pieces(
            messages, self.tokenizer, add_generation_prompt=add_generation_prompt
        )

    def _images(self, messages: Sequence[Message]) -> list[EncodedImage]:
        return [self.encode_image(part["image"]) for part in image_parts(messages)]

    def _assemble(
        self,
        parts: Sequence[tuple[int, Sequence[Piece]]],
        images: Sequence[EncodedImage],
        sample_id: str,
    ) -> Sample:
        token_ids: list[int] = []
        labels: list[int] = []
        branches: list[int] = []
        spans: list[ImageSpan] = []
        for branch, pieces in parts:
            for piece in pieces:
                if isinstance(piece, ImagePiece):
                    span = self._span(images[piece.image_index], len(token_ids), sample_id)
                    spans.append(span)
                    ids, answer = [self.image_id] * span.num_slots, False
                else:
                    ids, answer = piece.token_ids, piece.is_answer
                token_ids += ids
                labels += ids if answer else [IGNORED] * len(ids)
                branches += [branch] * len(ids)
        sample = Sample(
            sample_id=sample_id,
            token_ids=token_ids,
            labels=labels,
            branches=branches,
            position_ids=self._positions(branches, spans),
            images=tuple(images),
            spans=tuple(spans),
        )
        return self._fit(sample)

    def _span(self, image: EncodedImage, start: int, sample_id: str) -> ImageSpan:
        return ImageSpan(
            batch_index=0,
            start=start,
            num_slots=self.model.num_slots(image.height, image.width),
            token_grid=self.model.token_grid(image.height, image.width),
            sample_id=sample_id,
        )

    def _positions(
        self, branches: Sequence[int], spans: Sequence[ImageSpan]
    ) -> Int[Tensor, "*axis token"]:
        """Positions count up along the prompt and restart behind it for every branch."""
        num_prefix = branches.count(PREFIX_BRANCH)
        prefix = self._prefix_positions(num_prefix, spans)
        start = int(prefix.max()) + 1 if num_prefix else 0
        offsets: list[int] = []
        for index, branch in enumerate(branches[num_prefix:], start=num_prefix):
            same = index > num_prefix and branches[index - 1] == branch
            offsets.append(offsets[-1] + 1 if same else start)
        tail = torch.tensor(offsets, dtype=torch.long).expand(*prefix.shape[:-1], -1)
        return torch.cat([prefix, tail], dim=-1)

    def _prefix_positions(self, length: int, spans: Sequence[ImageSpan]) -> Tensor:
        if not _uses_mrope(self.model):
            return torch.arange(length)
        blocks = [
            (span.start, span.num_frames, span.token_grid.rows, span.token_grid.cols)
            for span in spans
            if span.token_grid is not None
        ]
        return multimodal_positions(length, blocks)

    def _fit(self, sample: Sample) -> Sample:
        excess = len(sample.token_ids) - self.config.max_tokens
        if excess <= 0:
            return sample
        keep = self.config.max_tokens
        name = f"sample {sample.sample_id}" if sample.sample_id else "the conversation"
        problem = f"{name} takes {len(sample.token_ids)} tokens, {excess} more than {keep}"
        if any(span.start + span.num_slots > keep for span in sample.spans):
            raise TokenError(
                f"{problem}, and a picture would be cut; use a smaller picture or fewer turns"
            )
        if all(label == IGNORED for label in sample.labels[:keep]):
            raise TokenError(f"{problem}, and no answer would be left; shorten the prompt")
        return replace(
            sample,
            token_ids=sample.token_ids[:keep],
            labels=sample.labels[:keep],
            branches=sample.branches[:keep],
            position_ids=sample.position_ids[..., :keep],
            num_truncated=excess,
        )


def image_parts(messages: Sequence[Message]) -> list[Mapping[str, Any]]:
    """The image parts of a conversation, in order of appearance."""
    return [
        part
        for message in messages
        if not isinstance(message["content"], str)
        for part in message["content"]
        if part["type"] == "image"
    ]


def ask_about(images: Sequence[object], text: str = "") -> list[Message]:
    """One user turn: the pictures first, then the text if there is any."""
    content: list[dict[str, object]] = [{"type": "image", "image": image} for image in images]
    if text:
        content.append({"type": "text", "text": text})
    return [{"role": "user", "content": content}]


def _continuation(prompt: Sequence[Piece], whole: Sequence[Piece]) -> list[Piece]:
    """What an answered conversation adds to its prompt."""
    if list(whole[: len(prompt)]) != list(prompt):
        raise TokenError(
            "the chat template changes the prompt when an answer follows it, so answers cannot "
            "share one prompt; train on single answers instead"
        )
    return list(whole[len(prompt) :])


def _pad(rows: Sequence[Tensor], shifts: Sequence[int], length: int, value: int) -> Tensor:
    padded = rows[0].new_full((len(rows), *rows[0].shape[:-1], length), value)
    for row, (values, shift) in enumerate(zip(rows, shifts, strict=True)):
        padded[row, ..., shift : shift + values.shape[-1]] = values
    return padded.movedim(0, -2)


def _uses_mrope(model: VLMConfig) -> bool:
    positions = model.language.positions
    return isinstance(positions, RotaryConfig) and positions.mrope_sections is not None
