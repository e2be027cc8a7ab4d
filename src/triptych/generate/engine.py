"""The engine: many requests at once, joining and leaving between steps.

    submit --> waiting --> reading the prompt --> answering --> finished
                  |              |                    |
                  room for it?   pictures encoded,    one token a step,
                                 chunk by chunk       or a draft that is checked

A step reads new tokens of all running requests in one row (`triptych.nn.ragged`). What one request
is answered is the same alone and in any company. A picture is encoded once and a beginning of
prompts is read once, as long as memory lasts.

Continuous batching: https://www.usenix.org/conference/osdi22/presentation/yu
Chunked prompts: https://arxiv.org/abs/2308.16369
Prefix trees: https://arxiv.org/abs/2312.07104
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.errors import CapacityError, ConfigError, TriptychError
from triptych.fusion.vlm import VLM
from triptych.generate.completion import Completion
from triptych.generate.contrast import without_picture
from triptych.generate.matching import Matcher, compile_structure
from triptych.generate.options import GenerationOptions
from triptych.generate.reading import LONGEST_IN_SLOT, Piece, Reader, last_boundary
from triptych.generate.request import Request, Strand
from triptych.generate.sampling import alternatives, is_plain, pick
from triptych.machine import available_memory_bytes
from triptych.processor import Processor, Sample

_MOST_COMPARED = 32
"""Waiting requests that a prompt is compared with, to find what they have in common."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """How much is done at the same time, and what it may take."""

    max_running: int = 16
    """Requests that are read or answered at the same time; others wait."""

    chunk_tokens: int = 256
    """Tokens of prompts that a step reads while others are being answered."""

    max_step_tokens: int = 2048
    """Tokens of prompts that a step reads while nobody waits for it."""

    memory_bytes: int | None = None
    """What keys, values and visual tokens may take; None for half of what is free at the start."""

    remembers: bool = True
    """Keep what was read for requests that are yet to come: the same picture, or a conversation
    that goes on."""

    def __post_init__(self) -> None:
        for name in ("max_running", "chunk_tokens", "max_step_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ConfigError(f"memory_bytes must be above 0, got {self.memory_bytes}")


class GenerationEngine:
    """Answers requests to one model.

    Several threads may use it: whichever has its turn goes a step for all of them.
    """

    def __init__(
        self, model: VLM, processor: Processor, config: EngineConfig | None = None
    ) -> None:
        self.model = model
        self.processor = processor
        self.config = config or EngineConfig()
        self.memory_bytes = self.config.memory_bytes or _free_bytes(model.device) // 2
        self.reader = Reader(model, visual_bytes=self.memory_bytes // 8)
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        self._parameters = list(model.parameters())
        self._weights = self._weights_version()
        self._turn = RLock()

    # -- what callers do ---------------------------------------------------------------------------

    def submit(self, sample: Sample, options: GenerationOptions) -> Request:
        """Queue a prompt to be answered.

        Raises:
            CapacityError: it could not fit even alone.
            UsageError: its structure or its contrast cannot be used, or it asks for beams.
        """
        if options.num_beams > 1:
            raise ConfigError("the engine searches no beams; use `generate`, or num_beams=1")
        hidden = None
        if options.contrast is not None and sample.images:
            hidden = without_picture(sample, options.contrast)
        request = Request(self.processor, sample, options, self._matcher(options), hidden)
        with self._turn:
            self._check_fits(request)
            self.waiting.append(request)
        return request

    @torch.inference_mode()
    def cancel(self, request: Request) -> None:
        """Leave a request as it stands; its place is free at once."""
        with self._turn:
            request.stop()
            if request in self.waiting:
                self.waiting.remove(request)
            if request in self.running:
                self._release(request)

    def finish(self, requests: Sequence[Request]) -> list[Completion]:
        """Go on until all of these are answered; other requests go on, too.

        Raises:
            TriptychError: what kept one of them from being answered.
        """
        try:
            while not all(request.is_finished for request in requests):
                self.step()
        finally:
            for request in requests:
                self.cancel(request)
        return [_completion(request) for request in requests]

    def stream(self, request: Request) -> Generator[str, None, Completion]:
        """Go on until this one is answered, giving out its text as it grows; others go on, too."""
        try:
            while not request.is_finished:
                self.step()
                yield from request.take_pieces()
            yield from request.take_pieces()
        finally:
            self.cancel(request)
        return _completion(request)

    @torch.inference_mode()
    def step(self) -> None:
        """One forward for all: some of the prompts, and the next tokens of the answers."""
        with self._turn:
            try:
                self._step()
            except BaseException:
                self._give_up()
                raise

    @torch.inference_mode()
    def clear(self) -> None:
        """Forget pictures and beginnings that no running request uses."""
        with self._turn:
            self.reader.clear()

    # -- admission ---------------------------------------------------------------------------------

    def _matcher(self, options: GenerationOptions) -> Matcher | None:
        if options.structure is None:
            return None
        vocab_size = self.model.language.config.vocab_size
        end_ids, tokenizer = self.processor.end_ids, self.processor.tokenizer
        return compile_structure(options.structure, tokenizer, end_ids, vocab_size)

    def _check_fits(self, request: Request) -> None:
        needed = self._needed_bytes([request])
        if needed > self._budget:
            prompt = request.strands[0].num_prompt_tokens
            raise CapacityError(
                f"a prompt of {prompt} tokens and an answer of up to "
                f"{request.options.max_new_tokens} need {_megabytes(needed)} of memory, and the "
                f"engine has {_megabytes(self._budget)} for them; use smaller pictures "
                "(max_pixels), a shorter answer (max_new_tokens), or more memory (memory_bytes)"
            )

    def _admit(self) -> None:
        """Let waiting requests in, first come first served, while there is room for them."""
        while self.waiting and len(self.running) < self.config.max_running:
            if not self._make_room(self.waiting[0]):
                return
            self.running.append(self.waiting.pop(0))

    def _make_room(self, request: Request) -> bool:
        """Whether the request fits beside those that run; drops what is unused if it must."""
        together = [*self.running, request]
        if self.running and self._needed_bytes(together) > self._budget:
            return False
        beginnings = self.reader.beginnings
        for strand in request.strands:
            # What it starts with may be kept already, and must be the last to be dropped.
            beginnings.match(strand.keys[:-1])
        beginnings.shrink(self._beginnings_may_take(together))
        return True

    @property
    def _budget(self) -> int:
        """What keys and values may take; the rest is for visual tokens that are kept."""
        return self.memory_bytes - self.reader.visual_tokens.most_bytes

    def _beginnings_may_take(self, requests: Sequence[Request]) -> int:
        """Those that are there, so that all fits that these requests are yet to need."""
        left = self._budget - self._needed_bytes(requests)
        used = {
            id(each): len(each.keys)
            for request in requests
            for strand in request.strands
            if strand.beginning is not None
            for each in strand.beginning.chain
        }
        return self.reader.token_bytes * sum(used.values()) + max(0, left)

    def _needed_bytes(self, requests: Sequence[Request]) -> int:
        """What these requests take at most while they are answered together."""
        beginnings: dict[object, int] = {}
        num_rows = longest = num_visual = 0
        for request in requests:
            for strand in request.strands:
                end = last_boundary(strand)
                beginnings[strand.keys[:end]] = end  # equal ones are kept once
                is_short = strand.num_prompt_tokens <= LONGEST_IN_SLOT
                in_slot = strand.num_prompt_tokens - (0 if is_short else end)
                longest = max(longest, in_slot + request.options.max_new_tokens)
                num_rows += 1
                num_visual += sum(span.num_slots for span in strand.sample.spans)
        slots = self.reader.slots
        visual_bytes = num_visual * self.model.language.dim * slots.keys[0].element_size()
        beginning_bytes = self.reader.token_bytes * sum(beginnings.values())
        return slots.bytes_for(num_rows, longest) + beginning_bytes + visual_bytes

    # -- steps -------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._check_weights()
        self._admit()
        pieces = self._plan()
        if pieces:
            self.reader.read(pieces)
        else:
            self.reader.wait()
        for request in list(self.running):
            if all(strand.logits is not None for strand in request.strands):
                try:
                    self._answer(request)
                except TriptychError as error:
                    self._fail(request, error)

    def _give_up(self) -> None:
        """Stop all that runs: nobody knows what of it was read."""
        while self.running:
            request = self.running.pop()
            request.stop()
            for strand in request.strands:
                self.reader.close(strand)
        self.reader.beginnings.drop_unread()

    def _fail(self, request: Request, error: TriptychError) -> None:
        """One request cannot go on; the others can."""
        request.error = error
        self.cancel(request)

    def _plan(self) -> list[Piece]:
        """What to read now: next tokens of answers, then of prompts what there is room for."""
        answering: list[tuple[Strand, Request]] = []
        reading: list[tuple[Strand, Request]] = []
        for request in self.running:
            for strand in request.strands:
                if strand.num_read < strand.num_prompt_tokens:
                    reading.append((strand, request))
                elif strand.num_read < len(strand.token_ids):
                    answering.append((strand, request))
        # In the order of their slots, so that these can be read as they lie.
        answering.sort(key=lambda each: each[0].row or 0)
        pieces = [self.reader.go_on(strand, request.draft) for strand, request in answering]
        room = self.config.chunk_tokens if answering else self.config.max_step_tokens
        waiting = self.waiting[:_MOST_COMPARED]
        coming = [strand for strand, _ in reading]
        coming += [strand for request in waiting for strand in request.strands]
        for strand, request in reading:
            beside = bool(answering)
            try:
                more, room = self.reader.read_prompt(strand, room, coming, beside=beside)
            except TriptychError as error:
                self._fail(request, error)
            else:
                pieces += more
        return pieces

    def _answer(self, request: Request) -> None:
        """Choose the next tokens of one request: one, and as many more as the draft got right."""
        if not request.token_ids:
            for strand in request.strands:
                self._remember(strand)
        logits, *hidden = (cast(Tensor, strand.logits) for strand in request.strands)
        draft, request.draft = request.draft, []
        for index, (token, logit, log_sum) in enumerate(request.strands[0].likeliest):
            row = logits[index]
            if request.matcher is not None or not is_plain(request.options):
                token = self._pick(request, row, hidden[0][index] if hidden else None)
                logit = float(row[token])
            told = alternatives(row, request.options.num_alternatives)
            request.push(token, logit - log_sum, told)
            is_right = index < len(draft) and draft[index] == token
            if request.is_finished or not is_right:
                break
        for strand in request.strands:
            strand.logits = None
            self.reader.forget_wrong(strand)
        if request.is_finished:
            self._release(request)
        else:
            request.guess()

    def _pick(
        self,
        request: Request,
        logits: Float[Tensor, " vocab"],
        without: Float[Tensor, " vocab"] | None,
    ) -> int:
        allowed = None if request.matcher is None else request.matcher.allowed()
        return pick(logits, request.options, request.generator, request.previous, allowed, without)

    def _release(self, request: Request) -> None:
        """Give the place of a request to others; keep what it has read where that is wanted."""
        self.running.remove(request)
        for strand in request.strands:
            self._remember(strand)
            self.reader.close(strand)

    def _remember(self, strand: Strand) -> None:
        if self.config.remembers and strand.row is not None:
            self.reader.keep(strand, self._beginnings_may_take(self.running))

    # -- weights that change -----------------------------------------------------------------------

    def _check_weights(self) -> None:
        """Forget what was read with other weights."""
        if self.running:
            return
        version = self._weights_version()
        if version != self._weights:
            self._weights = version
            self.clear()

    def _weights_version(self) -> int:
        """Grows whenever a weight is written to."""
        return sum(each._version for each in self._parameters)  # pyright: ignore[reportPrivateUsage]


def _free_bytes(device: torch.device) -> int:
    """Memory that is free where the model is, what torch holds there for later use included."""
    if device.type != "cuda":
        return available_memory_bytes()
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def _completion(request: Request) -> Completion:
    if request.error is not None:
        raise request.error
    return request.completion()


def _megabytes(memory_bytes: int) -> str:
    return f"{memory_bytes / 1e6:,.1f} MB"
