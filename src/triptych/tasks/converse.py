"""Talk with a model about pictures, turn by turn."""

from collections.abc import Iterator, Sequence

from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.processor import Message, ask_about
from triptych.tasks.responding import Answer, Responder, as_answer


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
        self._opened: list[Message] = []
        """The same with the pictures opened, as the engine gets them."""

    def send(self, text: str, pictures: Sequence[object] = ()) -> str:
        """Say something, and the model's answer. A turn that fails leaves nothing behind.

        Raises:
            UsageError: the text is empty.
            TokenError: the conversation has become longer than the model takes.
        """
        said, shown = self._turn(text, pictures)
        [self.last] = self._responder.answer([[*self._opened, *shown]], self.options, [self.note])
        self._keep(said, shown, self.last.text)
        return self.last.text

    def stream(self, text: str, pictures: Sequence[object] = ()) -> Iterator[str]:
        """The same piece by piece; a turn counts when its last piece has been taken.

        Raises:
            UsageError, TokenError: see `send`.
        """
        said, shown = self._turn(text, pictures)
        streamed = self._responder.stream([*self._opened, *shown], self.options)

        def pieces() -> Iterator[str]:
            yield from streamed
            assert streamed.reply is not None
            self.last = as_answer(streamed.reply, self.note)
            self._keep(said, shown, self.last.text)

        return pieces()

    def reset(self) -> None:
        """Begin anew, with the pictures of the beginning."""
        self.messages, self._opened = [], []
        self.last, self.note = None, ""

    def _turn(self, text: str, pictures: Sequence[object]) -> tuple[list[Message], list[Message]]:
        """The new message as it was given, and with its pictures opened."""
        if not text.strip():
            raise UsageError("there is nothing to answer; write what you want to say")
        given = [*(() if self.messages else self._first), *pictures]
        opened = self._responder.open(given)
        self.note = self._responder.note(opened) or self.note
        return ask_about(given, text), ask_about(opened, text)

    def _keep(self, said: list[Message], shown: list[Message], answer: str) -> None:
        answered: Message = {"role": "assistant", "content": answer}
        self.messages += [*said, answered]
        self._opened += [*shown, answered]
