"""Talk with a model about pictures, turn by turn."""

from collections.abc import Iterator, Sequence

from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.pictures import EncodedImage
from triptych.processor import Message, Sample, ask_about
from triptych.tasks.responding import Answer, Responder


class Conversation:
    """Turns of a person and a model; each answer knows all that was said and shown before."""

    def __init__(
        self, responder: Responder, pictures: Sequence[object], options: GenerationOptions
    ) -> None:
        """`pictures` are shown with the first turn."""
        self.options = options
        self.messages: list[Message] = []
        """All turns so far, pictures as they were given."""
        self.last: Answer | None = None
        """What `send` got, with its figures."""
        self.note = ""
        """What to know about answers about the pictures so far; mostly empty."""
        self._responder = responder
        self._first = tuple(pictures)
        self._encoded: list[EncodedImage] = []

    def send(self, text: str, pictures: Sequence[object] = ()) -> str:
        """Say something, and the model's answer. A turn that fails leaves nothing behind.

        Raises:
            UsageError: the text is empty.
            TokenError: the conversation has become longer than the model takes.
        """
        said, encoded, prompt = self._turn(text, pictures)
        [self.last] = self._responder.answer([prompt], self.options, [self.note])
        self._keep(said, encoded, self.last.text)
        return self.last.text

    def stream(self, text: str, pictures: Sequence[object] = ()) -> Iterator[str]:
        """The same piece by piece; a turn counts when its last piece has been taken.

        Raises:
            UsageError, TokenError: see `send`.
        """
        said, encoded, prompt = self._turn(text, pictures)

        def pieces() -> Iterator[str]:
            heard: list[str] = []
            for piece in self._responder.stream(prompt, self.options):
                heard.append(piece)
                yield piece
            self._keep(said, encoded, "".join(heard).strip())

        return pieces()

    def reset(self) -> None:
        """Begin anew, with the pictures of the beginning."""
        self.messages, self._encoded = [], []
        self.last, self.note = None, ""

    def _turn(
        self, text: str, pictures: Sequence[object]
    ) -> tuple[list[Message], list[EncodedImage], Sample]:
        """The new message, its pictures, and all that the model is shown."""
        if not text.strip():
            raise UsageError("there is nothing to answer; write what you want to say")
        shown = [*(() if self.messages else self._first), *pictures]
        opened = self._responder.open(shown)
        processor = self._responder.loaded.processor
        encoded = [processor.encode_image(picture) for picture in opened]
        said = ask_about(shown, text)
        prompt = self._responder.prompt([*self.messages, *said], [*self._encoded, *encoded])
        self.note = self._responder.note(opened) or self.note
        return said, encoded, prompt

    def _keep(self, said: list[Message], encoded: list[EncodedImage], answer: str) -> None:
        self.messages += [*said, {"role": "assistant", "content": answer}]
        self._encoded += encoded
