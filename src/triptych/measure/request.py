"""One question about pictures, run stage by stage along the path that every answer takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from triptych.checkpoint.model_folder import LoadedModel
from triptych.engines import NativeEngine
from triptych.fusion.vlm import Memory
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions
from triptych.inputs import ModelInputs
from triptych.measure.clock import Clock
from triptych.measure.work import Prompt
from triptych.media import Clip, Picture
from triptych.nn.cache import KVCache
from triptych.pictures import EncodedImage
from triptych.processor import Message
from triptych.sequences import Sample
from triptych.shapes import Logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time through all stages."""

    clock: Clock
    """Seconds by stage, `decode` being all new tokens."""
    num_pixels: int
    """Of all pictures and frames as they were opened."""
    shapes: tuple[tuple[int, ...], ...]
    """Of the pixels that the vision panel was called with."""
    prompt: Prompt
    cache_bytes: int
    """Reserved for prompt and answer."""
    token_ids: tuple[int, ...]
    """The answer, chosen greedily; its first token is the prefill's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The same question answered by the engine, which runs the stages as it likes."""

    first_s: float
    """From the files to the first token."""
    step_s: float | None
    """A further token; None where the answer ended with the first."""


class Request:
    """A question about pictures and clips, which can be put again and again."""

    def __init__(
        self,
        loaded: LoadedModel,
        pictures: Sequence[object],
        clips: Sequence[object],
        question: str,
        num_new_tokens: int,
    ) -> None:
        self.model, self.processor = loaded.model, loaded.processor
        self._engine = NativeEngine(loaded)
        self._pictures, self._clips = pictures, clips
        self._messages = _messages(pictures, clips, question)
        self._num_new_tokens = num_new_tokens
        config = EngineConfig(remembers=False)
        self._serving = GenerationEngine(loaded.model, loaded.processor, config)

    @torch.inference_mode()
    def run(self, *, watches_memory: bool = False) -> Run:
        """Once through all stages.

        Raises:
            MediaError: a picture or a clip cannot be opened.
            TokenError: the prompt is longer than the model takes, or the model takes no clips.
        """
        clock, shapes = Clock(watches_memory=watches_memory), list[tuple[int, ...]]()
        opened: list[Picture | Clip] = []
        encoded: list[EncodedImage] = []
        if self._pictures or self._clips:
            with clock.stage("open"):
                opened = self._open()
            with clock.stage("resize"):
                encoded = [self._encode(each) for each in opened]
        with clock.stage("prompt"):
            inputs = self.processor.collate([self._sample(encoded)], pad="left")
        visual = self._see(inputs, clock, shapes) if encoded else []
        with clock.stage("prefill"):
            cache, memory, logits = self._read(inputs, visual)
        with clock.stage("decode"):
            chosen = self._go_on(inputs, cache, memory, logits)
        return Run(
            clock=clock,
            num_pixels=sum(map(_num_pixels, opened)),
            shapes=tuple(shapes),
            prompt=Prompt.of(inputs, visual),
            cache_bytes=cache.memory_bytes,
            token_ids=tuple(cast(list[int], chosen.tolist())),
        )

    def serve(self) -> Served:
        """Once through the engine, which has forgotten all that it kept.

        Raises:
            CapacityError: it does not fit into what the engine may take.
        """
        engine = self._serving
        engine.clear()
        start = time.perf_counter()
        sample = self.processor.encode(self._messages, add_generation_prompt=True)
        options = GenerationOptions(max_new_tokens=self._num_new_tokens + 1)
        request = engine.submit(sample, options)
        while not request.token_ids:
            engine.step()
        first = time.perf_counter()
        [answer] = engine.finish([request])
        num_steps = len(answer.token_ids) - 1
        step_s = (time.perf_counter() - first) / num_steps if num_steps else None
        return Served(first_s=first - start, step_s=step_s)

    def _open(self) -> list[Picture | Clip]:
        pictures = [self._engine.open(each) for each in self._pictures]
        return [*pictures, *(self._engine.open_clip(each, None, None) for each in self._clips)]

    def _encode(self, opened: Picture | Clip) -> EncodedImage:
        is_clip = isinstance(opened, Clip)
        return (self.processor.encode_clip if is_clip else self.processor.encode_image)(opened)

    def _sample(self, encoded: Sequence[EncodedImage]) -> Sample:
        return self.processor.encode(self._messages, add_generation_prompt=True, features=encoded)

    def _see(
        self, inputs: ModelInputs, clock: Clock, shapes: list[tuple[int, ...]]
    ) -> list[Float[Tensor, "_visual visual_dim"]]:
        """Visual tokens of each picture; what `encode` does besides is the connector's."""
        model = self.model
        with (
            clock.calls("vision", cast(nn.Module, model.vision), shapes),
            clock.calls("connector", cast(nn.Module, model.connector), []),
            clock.stage("encode"),
        ):
            visual = model.encode(inputs)
        clock.seconds["connector"] = clock.seconds.pop("encode") - clock.seconds["vision"]
        return visual

    def _read(
        self, inputs: ModelInputs, visual: Sequence[Float[Tensor, "_visual visual_dim"]]
    ) -> tuple[KVCache, Memory, Logits]:
        """The cache, what the fusion remembers, and the logits of the first new token."""
        language = self.model.language
        cache = language.allocate_cache(1, inputs.token_ids.shape[1] + self._num_new_tokens)
        hidden, memory = self.model.read(inputs, cache, visual)
        return cache, memory, language.head(hidden[:, -1:])

    def _go_on(
        self, inputs: ModelInputs, cache: KVCache, memory: Memory, logits: Logits
    ) -> Int[Tensor, " answer"]:
        """Decode greedily, without regard to ends."""
        last = int(inputs.position_ids.max())
        chosen = [logits[:, -1].argmax(dim=-1)]
        for position in range(last + 1, last + 1 + self._num_new_tokens):
            # Under M-RoPE, too, new text counts all axes alike.
            positions = torch.full_like(inputs.position_ids[..., :1], position)
            hidden = self.model.step(chosen[-1][:, None], positions, cache, memory)
            chosen.append(self.model.language.head(hidden)[:, -1].argmax(dim=-1))
        return torch.cat(chosen)


def _messages(pictures: Sequence[object], clips: Sequence[object], question: str) -> list[Message]:
    content: list[dict[str, object]] = [{"type": "image", "image": each} for each in pictures]
    content += [{"type": "video", "video": each} for each in clips]
    return [{"role": "user", "content": [*content, {"type": "text", "text": question}]}]


def _num_pixels(opened: Picture | Clip) -> int:
    if isinstance(opened, Clip):
        return sum(frame.width * frame.height for frame in opened.frames)
    return opened.width * opened.height
