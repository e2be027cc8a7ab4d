"""Pictures of samples, opened: damage behind their headers, and pictures that look alike."""

from hashlib import sha256

from triptych.data.sources import Conversation, StoredPicture
from triptych.errors import MediaError
from triptych.media.looks import Look, look_of
from triptych.preflight.duplicates import find_alike
from triptych.preflight.findings import Finding
from triptych.processor import Processor, image_parts

ALIKE, LEAKED = "pictures alike", "held out and trained on"


class OpenedPictures:
    """The pictures of a mixture, and of what is held out of it; each is opened but once."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self._looks: list[tuple[str, str, Look]] = []
        """Sample, picture and how it looks, of every picture that was opened."""
        self._num_trained: int | None = None
        """How many of them are trained on; None while none is held out."""
        self._broken: dict[str, MediaError] = {}
        self._opened: set[str] = set()

    def open(self, conversation: Conversation) -> None:
        """Open every picture of a conversation.

        Raises:
            MediaError, DataError: one cannot be opened.
        """
        for part in image_parts(conversation.messages):
            if part["type"] != "image":
                continue
            key, content = _content(part["image"])
            if key in self._broken:
                raise self._broken[key]
            if key in self._opened:
                continue
            try:
                picture = self.processor.open(content)
            except MediaError as error:
                self._broken[key] = error
                raise
            self._opened.add(key)
            self._looks.append((conversation.sample_id, key, look_of(picture)))

    def begin_held_out(self) -> None:
        """What is opened from now on is held out of one source."""
        if self._num_trained is None:
            self._num_trained = len(self._looks)
        self._opened.clear()

    def findings(self) -> list[Finding]:
        """Pictures that look alike, unless both are held out."""
        num_trained = len(self._looks) if self._num_trained is None else self._num_trained
        found: list[Finding] = []
        for first, second in find_alike([look for _, _, look in self._looks]):
            if first >= num_trained:
                continue
            sample, picture, _ = self._looks[second]
            other, its_picture, _ = self._looks[first]
            leaks = second >= num_trained
            kind = LEAKED if leaks else ALIKE
            fix = "take it out of one of them" if leaks else "leave one out, or keep both knowingly"
            what = f"{picture} looks like {its_picture} of sample {other}"
            found.append(Finding(kind, sample, what, fix, spoils=leaks))
        return found


def _content(source: object) -> tuple[str, object]:
    """A name of a picture by which it is opened but once, and what to open."""
    if isinstance(source, StoredPicture):
        return source.name, source.read()
    if isinstance(source, str) and source.startswith("data:"):
        return f"data URI {sha256(source.encode()).hexdigest()[:12]}", source
    return str(source), source
