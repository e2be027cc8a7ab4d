"""A loaded model and what one can ask of it.

assistant = triptych.load("mini")
assistant.ask(["scene.png"], "what colour is the circle?").text
assistant.locate("scene.png", "red circle")[0].place
assistant.read("receipt.png", {"store": "", "total": ""}).value

The tasks themselves have a file each beside this one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from triptych.checkpoint.layouts import open_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.processor import Processor
from triptych.tasks.ask import ANSWERING, ask, stream_answer
from triptych.tasks.caption import CAPTIONING, caption
from triptych.tasks.converse import Conversation
from triptych.tasks.embedded import DEFAULT_MODEL, embedded_models
from triptych.tasks.finding import find_model
from triptych.tasks.locate import LOCATE, locate
from triptych.tasks.places import SEARCHING
from triptych.tasks.point import POINT, point
from triptych.tasks.read import READING, Reading, Schema, read
from triptych.tasks.responding import Answer, Responder
from triptych.tasks.watch import watch
from triptych.text import Located


class Assistant:
    """Ask a loaded model for captions, answers, places and values.

    A picture is a path, bytes, array, PIL image or data URI.
    """

    def __init__(self, loaded: LoadedModel, *, embedded: str = "") -> None:
        """`embedded` is the name of a model that came with the package."""
        self.architecture = loaded.architecture
        self.model = loaded.model
        self.processor = loaded.processor
        self._responder = Responder(loaded, embedded)

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
        return ask(self._responder, pictures, question, options or ANSWERING)

    def stream(
        self,
        pictures: Sequence[object],
        question: str,
        options: GenerationOptions | None = None,
    ) -> Iterator[str]:
        """The same answer piece by piece.

        Raises:
            UsageError: the question is empty.
        """
        return stream_answer(self._responder, pictures, question, options or ANSWERING)

    def caption(
        self,
        pictures: Sequence[object],
        options: GenerationOptions = CAPTIONING,
        *,
        prompt: str | None = None,
        batch_size: int = 16,
    ) -> list[Answer]:
        """One description a picture, asked for as the model was trained unless by `prompt`."""
        return caption(self._responder, pictures, options, prompt, batch_size)

    def locate(
        self,
        picture: object,
        phrase: str,
        options: GenerationOptions | None = None,
        *,
        prompt: str = LOCATE,
    ) -> list[Located]:
        """Boxes around what the phrase means, in pixels of the picture and within it.

        `{phrase}` in the prompt is the phrase. What the model garbles is left out.

        Raises:
            UsageError: the phrase is empty, or the model writes no boxes.
        """
        return locate(self._responder, picture, phrase, prompt, options or SEARCHING)

    def point(
        self,
        picture: object,
        phrase: str,
        options: GenerationOptions | None = None,
        *,
        prompt: str = POINT,
    ) -> list[Located]:
        """Points on what the phrase means; else as `locate`."""
        return point(self._responder, picture, phrase, prompt, options or SEARCHING)

    def read(
        self,
        document: object,
        schema: Schema | None = None,
        options: GenerationOptions | None = None,
        *,
        prompt: str | None = None,
    ) -> Reading:
        """A picture of a document as JSON, whole or with the fields of a schema.

        `{keys}` in the prompt are the names of these fields.

        Raises:
            UsageError: the schema cannot be read or names no field.
        """
        return read(self._responder, document, schema, prompt, options or READING)

    def watch(
        self,
        clip: object,
        question: str,
        options: GenerationOptions | None = None,
        *,
        fps: float | None = None,
        max_frames: int | None = None,
    ) -> Answer:
        """The answer to a question about a clip: a video file, a folder or list of pictures, ...

        Raises:
            UsageError: the question is empty.
            MediaError: the clip cannot be opened, or `fps` or `max_frames` is not above 0.
            TokenError: the model takes no clips.
        """
        return watch(self._responder, clip, question, options or ANSWERING, fps, max_frames)

    def chat(
        self, pictures: Sequence[object] = (), options: GenerationOptions | None = None
    ) -> Conversation:
        """A conversation that begins with these pictures."""
        return Conversation(self._responder, pictures, options or ANSWERING)

    def note(self, pictures: Sequence[object]) -> str:
        """What to know before relying on answers about these pictures; mostly empty."""
        return self._responder.note(self._responder.open(pictures))


def load(name: str | Path = DEFAULT_MODEL, *, max_pixels: int | None = None) -> Assistant:
    """Load a model by its name where it comes with the package, or by a folder.

    The folder is that of a run, of a saved model or of a published one. `max_pixels` is the most
    that pictures may have, instead of what the model's configuration says.

    Raises:
        UnknownNameError: there is no such model and no such folder.
        CheckpointError: the folder is incomplete or torn.
        UsageError: `max_pixels` is less than the model's smallest picture, or the model resizes
            all pictures to one size.
    """
    if max_pixels is not None and max_pixels < 1:
        raise UsageError(f"max_pixels must be above 0, got {max_pixels}; leave it out for all")
    embedded = str(name) if str(name) in embedded_models() else ""
    loaded = open_model(find_model(name))
    if max_pixels is not None:
        old = loaded.processor
        processor = Processor(old.config, old.model, old.tokenizer, max_pixels=max_pixels)
        loaded = replace(loaded, processor=processor)
    return Assistant(loaded, embedded=embedded)
