"""A loaded model and what one can ask of it.

assistant = triptych.load("mini")
assistant.ask(["scene.png"], "what colour is the circle?").text
assistant.locate("scene.png", "red circle")[0].place
assistant.read("receipt.png", {"store": "", "total": ""}).value

triptych.load("Qwen/Qwen2.5-VL-7B-Instruct", engine="openai", url="http://cluster:8000")

The tasks themselves have a file each beside this one.
"""

from collections.abc import Sequence

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.model_folder import LoadedModel
from triptych.engines import Engine, NativeEngine, Streamed
from triptych.engines.engine import cannot
from triptych.engines.places import SpokenPlaces, known_format
from triptych.fusion.vlm import VLM
from triptych.generate import GenerationOptions
from triptych.media import Picture
from triptych.processor import Processor
from triptych.tasks.ask import ANSWERING, ask, ask_each, stream_answer
from triptych.tasks.caption import caption
from triptych.tasks.converse import Conversation
from triptych.tasks.locate import locate
from triptych.tasks.places import SEARCHING
from triptych.tasks.point import point
from triptych.tasks.read import READING, Reading, Schema, read
from triptych.tasks.responding import Answer, Responder
from triptych.tasks.watch import watch
from triptych.text import Located


class Assistant:
    """Ask a model for captions, answers, places and values, wherever it runs.

    A picture is a path, bytes, array, PIL image or data URI.
    """

    def __init__(
        self,
        model: LoadedModel | Engine,
        *,
        embedded: str = "",
        places: SpokenPlaces | None = None,
    ) -> None:
        """A loaded model is asked by the native engine.

        `embedded` is the name of a model that came with the package. `places` is how the model
        writes boxes and points in words; None for its own tokens, or for what its name says.
        """
        self.engine = NativeEngine(model) if isinstance(model, LoadedModel) else model
        if places is None and self.engine.coordinates is None:
            places = known_format(self.engine.known_as)
        self._responder = Responder(self.engine, embedded, places)

    @property
    def architecture(self) -> Architecture:
        """What the model is.

        Raises:
            UsageError: the engine does not show it.
        """
        return self._loaded("does not show the architecture of a model").architecture

    @property
    def model(self) -> VLM:
        """The three panels and their weights.

        Raises:
            UsageError: the engine does not show them.
        """
        return self._loaded("gives no hidden states, weights or X-ray").model

    @property
    def processor(self) -> Processor:
        """From messages to what the model takes.

        Raises:
            UsageError: the engine does not show it.
        """
        return self._loaded("gives no model inputs, neither token ids nor pixels").processor

    def open(self, picture: object) -> Picture:
        """Open one picture, safely, as the right way up RGB."""
        return self.engine.open(picture)

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

    def ask_each(
        self,
        pictures: Sequence[object],
        questions: Sequence[str],
        options: GenerationOptions | None = None,
    ) -> list[Answer]:
        """The answer to each of several questions about the same pictures, all at once.

        Each is answered as if it were the only one; the pictures are read once for all.

        Raises:
            UsageError: a question is empty.
        """
        return ask_each(self._responder, pictures, questions, options or ANSWERING)

    def stream(
        self,
        pictures: Sequence[object],
        question: str,
        options: GenerationOptions | None = None,
    ) -> Streamed:
        """The same answer piece by piece.

        Raises:
            UsageError: the question is empty.
        """
        return stream_answer(self._responder, pictures, question, options or ANSWERING)

    def caption(
        self,
        pictures: Sequence[object],
        options: GenerationOptions | None = None,
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
        prompt: str | None = None,
    ) -> list[Located]:
        """Boxes around what the phrase means, in pixels of the picture and within it.

        `{phrase}` in the prompt is the phrase. What the model garbles is left out.

        Raises:
            UsageError: the phrase is empty, or nobody knows how the model writes boxes.
        """
        return locate(self._responder, picture, phrase, prompt, options or SEARCHING)

    def point(
        self,
        picture: object,
        phrase: str,
        options: GenerationOptions | None = None,
        *,
        prompt: str | None = None,
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

    def _loaded(self, otherwise: str) -> LoadedModel:
        if not isinstance(self.engine, NativeEngine):
            raise cannot(self.engine.name, otherwise)
        return self.engine.loaded
