"""The engine of this package: its own panels, in this process."""

from collections.abc import Generator, Sequence
from functools import cached_property, partial

from triptych.checkpoint.model_folder import LoadedModel
from triptych.engines.engine import Reply, Streamed, spell_alternatives
from triptych.errors import TokenError
from triptych.generate import (
    Completion,
    EngineConfig,
    GenerationEngine,
    GenerationOptions,
    generate,
    stream,
)
from triptych.media import Clip, Picture, open_clip
from triptych.pictures import ClipConfig
from triptych.processor import Message, Sample
from triptych.text import ChatTemplate, CoordinateFormat


class NativeEngine:
    """Asks a loaded model."""

    name = "native"
    has_beam_search = True
    holds_structure = True
    max_pixels: int | None = None
    """The processor reduces pictures."""

    def __init__(self, loaded: LoadedModel, config: EngineConfig | None = None) -> None:
        """`config` says how much is done at the same time, and what it may take."""
        self.loaded = loaded
        self._config = config

    @cached_property
    def generation(self) -> GenerationEngine:
        """What answers, and remembers pictures and beginnings of prompts from call to call."""
        return GenerationEngine(self.loaded.model, self.loaded.processor, self._config)

    @property
    def model_name(self) -> str:
        return self.loaded.architecture.name

    @property
    def known_as(self) -> Sequence[str]:
        return (self.loaded.architecture.name,)

    @property
    def template(self) -> ChatTemplate:
        return self.loaded.processor.template

    @property
    def coordinates(self) -> CoordinateFormat | None:
        return self.loaded.processor.config.coordinates

    @property
    def clips(self) -> ClipConfig:
        return self.loaded.processor.config.clips

    def open(self, picture: object) -> Picture:
        """Open one picture, safely; one that is open stays as it is."""
        return self.loaded.processor.open(picture)

    def open_clip(self, clip: object, fps: float | None, max_frames: int | None) -> Clip:
        """Open one clip, safely, sampled as asked or as the model's configuration says."""
        if not isinstance(clip, Clip):
            fps = self.clips.fps if fps is None else fps
            max_frames = self.clips.max_frames if max_frames is None else max_frames
        limits = self.loaded.processor.pictures.clip_limits
        return open_clip(clip, fps=fps, max_frames=max_frames, limits=limits)

    def answer(
        self, conversations: Sequence[Sequence[Message]], options: GenerationOptions
    ) -> list[Reply]:
        """What the model says to each conversation, all of them in one batch.

        Raises:
            TokenError: a conversation is malformed or longer than the model takes.
        """
        prompts = [self._prompt(messages) for messages in conversations]
        model, processor = self.loaded.model, self.loaded.processor
        completions = generate(model, processor, prompts, options, self.generation)
        return [self._reply(completion) for completion in completions]

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Streamed:
        """What the model says to one conversation, piece by piece.

        Raises:
            TokenError: the conversation is malformed or longer than the model takes.
        """
        return Streamed(self._pieces(self._prompt(messages), options))

    def _pieces(self, prompt: Sample, options: GenerationOptions) -> Generator[str, None, Reply]:
        model, processor = self.loaded.model, self.loaded.processor
        completion = yield from stream(model, processor, prompt, options, self.generation)
        return self._reply(completion)

    def _prompt(self, messages: Sequence[Message]) -> Sample:
        """A conversation as the beginning of an answer."""
        sample = self.loaded.processor.encode(messages, add_generation_prompt=True)
        if sample.num_truncated:
            most = self.loaded.processor.config.max_tokens
            raise TokenError(
                f"the messages are {most + sample.num_truncated} tokens long and this model takes "
                f"{most}; begin anew, or say less"
            )
        return sample

    def _reply(self, completion: Completion) -> Reply:
        processor = self.loaded.processor
        said = [token for token in completion.token_ids if token not in processor.end_ids]
        decode = partial(processor.tokenizer.decode, skip_special=False)
        return Reply(
            text=completion.text,
            ended=completion.ended,
            spelled=decode(said),
            num_prompt_tokens=completion.num_prompt_tokens,
            num_answer_tokens=len(completion.token_ids),
            log_probability=completion.log_probability,
            log_probabilities=completion.log_probabilities,
            alternatives=spell_alternatives(decode, completion.token_ids, completion.alternatives),
            token_ids=completion.token_ids,
        )
