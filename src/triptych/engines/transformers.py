"""The engine of the transformers library, for checkpoints that have no native file here.

Its processor and its model run as they are, from safetensors alone and without remote code. How a
token is chosen is ours, so a seed means here what it means in the native engine.

    messages -> its chat template -> its processor -> its generate -> each token through a queue
                                                      in a thread      -> text
"""

from collections.abc import Generator, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, cast

import torch
from torch import Tensor

from triptych.engines.engine import Reply, Streamed, cannot, spell_alternatives
from triptych.engines.running import Chosen, GrowingText, Running, as_chosen, spoken
from triptych.engines.wire import CLIPS, open_frames, open_picture, write_messages
from triptych.errors import EngineError, MissingExtraError, TokenError, UsageError
from triptych.generate import GenerationOptions
from triptych.generate.matching import Matcher, compile_structure
from triptych.generate.sampling import Alternatives, penalise
from triptych.generate.stopping import StopGate
from triptych.media import Clip, Picture
from triptych.pictures import ClipConfig
from triptych.processor import Message
from triptych.text import Tokenizer


def load_transformers(name: str, *, max_pixels: int | None = None) -> "TransformersEngine":
    """An engine for a folder, or for a name on the Hub.

    Raises:
        MissingExtraError: transformers is not installed.
        EngineError: it cannot load the model, or needs torchvision for it; says why.
        UsageError: the model takes no pictures.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "transformers", "transformers", "the transformers engine"
        ) from error
    library: Any = transformers
    library.logging.set_verbosity_error()  # its remarks are about its own settings
    try:
        processor: Any = library.AutoProcessor.from_pretrained(name, trust_remote_code=False)
        model: Any = library.AutoModelForImageTextToText.from_pretrained(
            name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # a library of many authors raises anything
        raise _reason(name, error) from error
    if getattr(processor, "image_processor", None) is None:
        raise UsageError(f"{name} has no picture processor; name a model that takes pictures")
    return TransformersEngine(name, processor, model.eval(), max_pixels=max_pixels)


class TransformersEngine:
    """Asks a model of the transformers library."""

    name = "transformers"
    has_beam_search = True
    holds_structure = True
    template = None
    coordinates = None

    def __init__(
        self, model_name: str, processor: Any, model: Any, *, max_pixels: int | None = None
    ) -> None:
        self.model_name = model_name
        self.max_pixels = max_pixels
        self.model = model
        self.processor = processor
        self.tokenizer: Any = processor.tokenizer
        ends: object = model.generation_config.eos_token_id
        if not isinstance(ends, list):
            ends = [] if ends is None else [ends]
        self.end_ids = tuple(cast(list[int], ends))
        self.slot_ids = _slot_ids(model.config)

    @property
    def known_as(self) -> Sequence[str]:
        return (self.model_name.rstrip("/").rpartition("/")[2], str(self.model.config.model_type))

    @property
    def clips(self) -> ClipConfig:
        return CLIPS

    def open(self, picture: object) -> Picture:
        """Open one picture, safely; one that is open stays as it is."""
        return open_picture(picture)

    def open_clip(self, clip: object, fps: float | None, max_frames: int | None) -> Clip:
        """Open one clip, safely; the model gets its frames as pictures."""
        return open_frames(clip, fps, max_frames)

    def answer(
        self, conversations: Sequence[Sequence[Message]], options: GenerationOptions
    ) -> list[Reply]:
        """What the model says to each conversation, one after the other.

        Raises:
            TokenError: a conversation is malformed, spells a special token, or is longer than the
                model takes.
            EngineError: the library fails.
            UsageError: a message holds a box or a point, or the options ask for a contrast, or for
                drafts of what is sampled.
        """
        return [self._whole(self.stream(messages, options)) for messages in conversations]

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Streamed:
        """What the model says to one conversation, piece by piece.

        Raises:
            TokenError, EngineError, UsageError: see `answer`.
        """
        _check_options(options)
        inputs = self._inputs(messages)
        if options.num_beams > 1:
            return Streamed(self._beams(inputs, options))
        if options.lookup:
            return Streamed(self._drafted(inputs, options))
        return Streamed(self._pieces(inputs, options, self._matcher(options)))

    # -- prompts ----------------------------------------------------------------------------

    def _inputs(self, messages: Sequence[Message]) -> dict[str, Any]:
        written = write_messages(messages, self.name, self.max_pixels, _as_image)
        for message in written:
            if isinstance(message["content"], str):
                message["content"] = [{"type": "text", "text": message["content"]}]
            self._check_specials(message["content"])
        try:
            inputs: Any = self._processed(written)
        except Exception as error:  # a library of many authors raises anything
            raise EngineError(
                f"the processor of {self.model_name} refuses the conversation ({_words(error)})"
            ) from error
        num_tokens = inputs["input_ids"].shape[1]
        most = _most_tokens(self.model.config)
        if most is not None and num_tokens > most:
            raise TokenError(
                f"the messages are {num_tokens} tokens long and this model takes {most}; begin "
                "anew, or say less"
            )
        return dict(inputs)

    def _processed(self, messages: list[dict[str, Any]]) -> Any:
        """By the chat template; without one, a single turn is its pictures and its text."""
        if self.processor.chat_template or self.tokenizer.chat_template:
            return self.processor.apply_chat_template(
                messages,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        if len(messages) > 1:
            raise UsageError("it has no chat template, so it takes a single turn")
        parts = messages[0]["content"]
        images = [part["image"] for part in parts if part["type"] == "image"]
        text = " ".join(part["text"] for part in parts if part["type"] == "text")
        return self.processor(images=images or None, text=text, return_tensors="pt")

    def _check_specials(self, parts: Sequence[dict[str, Any]]) -> None:
        """Its tokenizer would take a special token at its word, whoever spelled it."""
        specials = {token for token in self.tokenizer.all_special_tokens if len(token) > 1}
        specials |= {str(token) for token in self.tokenizer.added_tokens_encoder if "<" in token}
        for part in parts:
            for token in specials:
                if part["type"] == "text" and token in part["text"]:
                    raise TokenError(
                        f"a message spells {token}, which the transformers engine cannot tell from "
                        "the token itself; leave it out, or take the native engine"
                    )

    # -- answers ----------------------------------------------------------------------------

    def _matcher(self, options: GenerationOptions) -> Matcher | None:
        if options.structure is None:
            return None
        vocab_size = int(self.model.get_output_embeddings().weight.shape[0])
        return compile_structure(options.structure, self._own_tokenizer, self.end_ids, vocab_size)

    @cached_property
    def _own_tokenizer(self) -> Tokenizer:
        """The library's tokenizer as ours."""
        inner: Any = getattr(self.tokenizer, "backend_tokenizer", None)
        if inner is None:
            raise cannot(self.name, f"has no tokenizer file of {self.model_name} to follow a form")
        return Tokenizer(cast(Any, type(inner)).from_str(inner.to_str()))

    def _pieces(
        self, inputs: dict[str, Any], options: GenerationOptions, matcher: Matcher | None
    ) -> Generator[str, None, Reply]:
        running = Running(
            *(self.model, inputs, self._settings(options), options, self.slot_ids),
            *(self._failed, matcher),
        )
        with running:
            return (yield from self._said(inputs, running, options))

    def _drafted(
        self, inputs: dict[str, Any], options: GenerationOptions
    ) -> Generator[str, None, Reply]:
        """With drafts the library looks at tokens that may not come, so all is told at the end."""

        def weaken(token_ids: Tensor, logits: Tensor) -> Tensor:
            previous = spoken(token_ids[0], self.slot_ids)
            logits = penalise(logits[0], options.repetition_penalty, previous)[None]
            # Else slots are drafted too, and pictures looked for that are not there.
            slots = torch.tensor(sorted(self.slot_ids), dtype=torch.long, device=logits.device)
            return logits.index_fill(1, slots, -torch.inf)

        found = self._found(
            inputs,
            self._settings(
                options, prompt_lookup_num_tokens=options.lookup, max_matching_ngram_size=3
            ),
            logits_processor=[weaken],
            output_logits=True,
        )
        tokens = self._new_tokens(found.sequences[0].tolist(), inputs)
        said = (
            as_chosen(token, logits[0].float(), options.num_alternatives)
            for token, logits in zip(tokens, found.logits, strict=False)
        )
        return (yield from self._said(inputs, said, options))

    def _said(
        self, inputs: dict[str, Any], chosen: Iterable[Chosen], options: GenerationOptions
    ) -> Generator[str, None, Reply]:
        """Tokens as text, up to an end."""
        gate, text = StopGate(options.stop), GrowingText(self._text)
        taken: list[Chosen] = []
        for each in chosen:
            taken.append(each)
            if piece := gate.push(text.push(each.token)):
                yield piece
            if gate.is_shut or each.token in self.end_ids:
                break
        if piece := gate.push(text.flush()) + gate.flush():
            yield piece
        scores = tuple(each.log_probability for each in taken)
        told = [each.alternatives for each in taken if each.alternatives]
        return self._reply(inputs, text.tokens, gate, sum(scores), scores, told)

    def _beams(
        self, inputs: dict[str, Any], options: GenerationOptions
    ) -> Generator[str, None, Reply]:
        """Beam search has nothing to show before its end."""
        found = self._found(
            inputs,
            self._settings(
                options, num_beams=options.num_beams, length_penalty=options.length_penalty
            ),
            output_scores=True,
        )
        tokens = self._new_tokens(found.sequences[0].tolist(), inputs)
        gate = StopGate(options.stop)
        yield gate.push(self._text(tokens)) + gate.flush()
        score = float(found.sequences_scores[0]) * max(len(tokens), 1) ** options.length_penalty
        return self._reply(inputs, tokens, gate, score, (), ())

    def _found(self, inputs: dict[str, Any], settings: Any, **more: object) -> Any:
        """What the library generates, all at once."""
        try:
            return self.model.generate(
                **inputs, generation_config=settings, return_dict_in_generate=True, **more
            )
        except Exception as error:
            raise self._failed(error) from error

    def _new_tokens(self, sequence: list[int], inputs: dict[str, Any]) -> list[int]:
        """The answer without the prompt, where that is repeated, and without what fills it up."""
        prompt = cast(list[int], inputs["input_ids"][0].tolist())
        if sequence[: len(prompt)] == prompt:
            sequence = sequence[len(prompt) :]
        for index, token in enumerate(sequence):
            if token in self.end_ids:
                return sequence[: index + 1]
        return sequence

    def _settings(self, options: GenerationOptions, **more: object) -> Any:
        """How to generate: as asked, and nothing of what the checkpoint would rather have."""
        import transformers

        own: Any = self.model.generation_config
        pad = own.pad_token_id
        return cast(Any, transformers).GenerationConfig(
            max_new_tokens=options.max_new_tokens,
            do_sample=False,
            eos_token_id=list(self.end_ids) or None,
            pad_token_id=next(iter(self.end_ids), 0) if pad is None else pad,
            bos_token_id=own.bos_token_id,
            decoder_start_token_id=own.decoder_start_token_id,
            **more,
        )

    def _text(self, tokens: Sequence[int], *, skip_special: bool = True) -> str:
        return str(
            self.tokenizer.decode(
                list(tokens),
                skip_special_tokens=skip_special,
                clean_up_tokenization_spaces=False,
            )
        )

    def _reply(
        self,
        inputs: dict[str, Any],
        tokens: Sequence[int],
        gate: StopGate,
        score: float,
        scores: tuple[float, ...],
        told: Sequence[Alternatives],
    ) -> Reply:
        said = [token for token in tokens if token not in self.end_ids]
        spell = partial(self._text, skip_special=False)
        return Reply(
            text=gate.text,
            ended=gate.is_shut or tokens[-1] in self.end_ids,
            spelled=spell(said),
            num_prompt_tokens=int(inputs["input_ids"].shape[1]),
            num_answer_tokens=len(tokens),
            log_probability=score,
            log_probabilities=scores,
            alternatives=spell_alternatives(spell, tokens, told),
            token_ids=tuple(tokens),
        )

    def _whole(self, streamed: Streamed) -> Reply:
        for _ in streamed:
            pass
        assert streamed.reply is not None
        return streamed.reply

    def _failed(self, error: Exception) -> EngineError:
        return EngineError(f"transformers fails on {self.model_name} ({_words(error)})")


def _check_options(options: GenerationOptions) -> None:
    """Refuse what the library does not do, or not with the same outcome.

    Raises:
        UsageError: the options ask for it.
    """
    if options.contrast is not None:
        raise cannot("transformers", "has no contrast", "leave it out, or take the native engine")
    if options.lookup and options.structure is not None:
        raise cannot("transformers", "drafts no answers of a given form", "leave lookup out")
    if options.lookup and options.temperature > 0:
        raise cannot(
            "transformers",
            "draws other words where it drafts them by lookup",
            "take temperature 0, leave lookup out, or take the native engine",
        )


def _slot_ids(config: Any) -> frozenset[int]:
    """Tokens that reserve room for pictures and clips, by all the names they have."""
    names = [f"{kind}_token_{end}" for kind in ("image", "video") for end in ("id", "index")]
    found = (getattr(config, name, None) for name in names)
    return frozenset(each for each in found if isinstance(each, int))


def _as_image(picture: Picture) -> dict[str, Any]:
    return {"type": "image", "image": picture.rgb}


def _most_tokens(config: Any) -> int | None:
    text = getattr(config, "text_config", config)
    most = getattr(text, "max_position_embeddings", None)
    return most if isinstance(most, int) else None


def _reason(name: str, error: Exception) -> EngineError:
    said = str(error)
    if isinstance(error, ImportError) and "orchvision" in said:
        return EngineError(
            f"the processor of {name} needs torchvision; install the one that fits your torch, or "
            "take another engine"
        )
    if "trust_remote_code" in said:
        return EngineError(
            f"{name} brings code of its own, which is never run here; serve it elsewhere and take "
            "the openai engine"
        )
    return EngineError(f"transformers cannot load {name} ({_words(error)})")


def _words(error: Exception) -> str:
    """The first sentence of what a library says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first if len(first) <= 300 else f"{first[:299]}…"
