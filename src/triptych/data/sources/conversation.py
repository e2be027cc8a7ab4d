"""What every reader makes: conversations about pictures, and a ledger of what could not be one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from triptych.data.ledger import Ledger, check_share
from triptych.errors import DataError

Message: TypeAlias = Mapping[str, Any]
"""As the processor takes it; see `triptych.processor.Message`."""


@runtime_checkable
class StoredPicture(Protocol):
    """A picture inside of something larger, a tar file or a table, that is read when needed."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def read(self) -> bytes:
        """Its encoded content.

        Raises:
            DataError: it is not there any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: who said what about which pictures."""

    sample_id: str
    messages: tuple[Message, ...]
    """As the processor takes them; an image part holds the path of its picture, the data URI as
    it was written, or a `StoredPicture`."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else is known, such as a category to count scores by."""
    others: tuple[tuple[Message, ...], ...] = ()
    """Further conversations about the same pictures, alternatives and not continuations; all
    share one sequence, which holds the pictures once."""


@runtime_checkable
class Conversations(Protocol):
    """Conversations by number: a list, or a table or tar file that is read when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Conversation:
        """One of them.

        Raises:
            DataError: it cannot be read.
        """
        ...


Reading: TypeAlias = tuple[Conversations, Ledger]
"""What a source gives: what was read, and what was not."""


class BadSample(Exception):
    """What is wrong with a sample and how to mend it; the caller knows the place."""

    def __init__(self, kind: str, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.kind = kind
        """A short reason that samples can be counted by."""
        self.problem = problem
        self.cure = cure


class Collected:
    """Conversations read so far; bad ones go to the ledger, or at no tolerance stop the reading."""

    def __init__(self, source: Path | str, tolerate: float) -> None:
        """`tolerate` is the share of the samples that may be bad.

        Raises:
            ConfigError: it is not a share.
        """
        check_share(tolerate)
        self.tolerate = tolerate
        self.ledger = Ledger(str(source))
        self.conversations: list[Conversation] = []
        self._uses: dict[str, int] = {}

    def add(self, place: str, make: Callable[[], Conversation]) -> None:
        """Read one conversation, or list why it cannot be.

        An id that is already taken gets a number, `7`, `7#2`, `7#3`, in the order of reading.

        Raises:
            DataError: it is bad and nothing is tolerated.
        """
        try:
            made = make()
        except BadSample as error:
            self.leave_out(place, error)
            return
        uses = self._uses[made.sample_id] = self._uses.get(made.sample_id, 0) + 1
        if uses > 1:
            made = replace(made, sample_id=f"{made.sample_id}#{uses}")
        self.conversations.append(made)
        self.ledger.keep()

    def leave_out(self, place: str, error: BadSample) -> None:
        """List a sample that cannot be read.

        Raises:
            DataError: nothing is tolerated.
        """
        if self.tolerate == 0.0:
            raise DataError(f"{place}: {error.problem}; {error.cure}") from error
        self.ledger.leave_out(place, error.kind, error.problem)

    def finish(self) -> tuple[list[Conversation], Ledger]:
        """What was read.

        Raises:
            DataError: too much was bad, or there is nothing.
        """
        self.ledger.stop_above(self.tolerate)
        if not self.conversations:
            raise DataError(f"{self.ledger.source} holds no sample; see the guide, Your data")
        return self.conversations, self.ledger
