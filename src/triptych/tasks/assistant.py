"""A loaded model and what one can ask of it.

assistant = triptych.load("runs/flickr8k")
assistant.caption(["beach.jpg"])[0].text
assistant.ask(["beach.jpg"], "what is in the picture?").text
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from triptych.checkpoint.files import recover_folder
from triptych.checkpoint.layouts import open_model
from triptych.checkpoint.model_folder import CONFIG, LoadedModel
from triptych.errors import UnknownNameError, UsageError
from triptych.generate import Completion, GenerationOptions, generate, stream
from triptych.processor import Sample, ask_about

MODEL = "model"
"""Folder of the trained model inside the folder of a run."""

CAPTIONING = GenerationOptions(max_new_tokens=40, num_beams=3)
"""How captions are searched for unless one asks otherwise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    ended: bool
    """True when the model ended its answer, False when the length limit did."""
    log_probability: float
    num_prompt_tokens: int
    num_answer_tokens: int

    def as_dict(self) -> dict[str, str | float | int | bool]:
        """The answer as plain values, for JSON."""
        return {
            "text": self.text,
            "ended": self.ended,
            "log_probability": self.log_probability,
            "prompt_tokens": self.num_prompt_tokens,
            "answer_tokens": self.num_answer_tokens,
        }


class Assistant:
    """Ask a loaded model for captions and answers."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.architecture = loaded.architecture
        self.model = loaded.model
        self.processor = loaded.processor

    def caption(
        self,
        pictures: Sequence[object],
        options: GenerationOptions = CAPTIONING,
        *,
        batch_size: int = 16,
    ) -> list[Answer]:
        """One description a picture. A picture is a path, bytes, array, PIL image or data URI."""
        prompts = [self._prompt([picture], "") for picture in pictures]
        chunks = [prompts[i : i + batch_size] for i in range(0, len(prompts), batch_size)]
        return [answer for chunk in chunks for answer in self._answer(chunk, options)]

    def ask(
        self,
        pictures: Sequence[object],
        question: str,
        options: GenerationOptions | None = None,
    ) -> Answer:
        """The answer to a question about pictures.

        Raises:
            UsageError: the question is empty.
        """
        prompt = self._question(pictures, question)
        return self._answer([prompt], options or GenerationOptions())[0]

    def stream(
        self,
        pictures: Sequence[object],
        question: str,
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The same answer piece by piece."""
        prompt = self._question(pictures, question)
        return stream(self.model, self.processor, prompt, options or GenerationOptions())

    def _question(self, pictures: Sequence[object], question: str) -> Sample:
        if not question.strip():
            raise UsageError("the question is empty; write what you want to know, in quotes")
        return self._prompt(pictures, question)

    def _prompt(self, pictures: Sequence[object], text: str) -> Sample:
        return self.processor.encode(ask_about(pictures, text), add_generation_prompt=True)

    def _answer(self, prompts: Sequence[Sample], options: GenerationOptions) -> list[Answer]:
        return [_answer(c) for c in generate(self.model, self.processor, prompts, options)]


def load(name: str | Path) -> Assistant:
    """Load a model by the folder of a run, of a saved model or of a published one.

    Raises:
        UnknownNameError: there is no such folder.
        CheckpointError: the folder is incomplete or torn.
    """
    return Assistant(open_model(find_model(name)))


def find_model(name: str | Path) -> Path:
    """The model folder that a name stands for: the folder itself, or a run's `model` in it."""
    folder = Path(name)
    for candidate in (folder, folder / MODEL):
        recover_folder(candidate)
        if (candidate / CONFIG).is_file():
            return candidate
    if folder.is_dir():
        raise UsageError(
            f"{folder} holds no trained model (no {CONFIG}, no {MODEL}/{CONFIG}); "
            "has its training finished?"
        )
    runs = [str(path.parent) for path in Path("runs").glob(f"*/{MODEL}")]
    raise UnknownNameError("model", str(name), runs or ["(none trained yet: try `triptych train`)"])


def _answer(completion: Completion) -> Answer:
    return Answer(
        text=completion.text.strip(),
        ended=completion.ended,
        log_probability=completion.log_probability,
        num_prompt_tokens=completion.num_prompt_tokens,
        num_answer_tokens=len(completion.token_ids),
    )
