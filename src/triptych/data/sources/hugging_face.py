"""Data sets in Hugging Face's format, from the Hub or a local folder, by the names of columns.

    image + text                   a picture and its caption
    image + question + answer      a question about it
    image(s) + conversations       turns, written in any of three ways:
        {"from": "human", "value": "<image>..."}     LLaVA
        {"role": "user", "content": "..."}           chat APIs
        {"user": "...", "assistant": "..."}          the Cauldron

Pictures stay encoded until their sample is used. Where turns hold no `<image>`, the pictures stand
in front of the first. `pip install 'triptych[datasets]'`; no code of a data set is ever run.

https://huggingface.co/docs/datasets
The Cauldron: https://huggingface.co/datasets/HuggingFaceM4/the_cauldron
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, cast

from triptych.data.ledger import Ledger
from triptych.data.sources.conversation import (
    BadSample,
    Conversation,
    Message,
    Reading,
)
from triptych.data.sources.fields import field_of, filled_list, filled_text, mapping
from triptych.data.sources.llava import llava_messages
from triptych.data.sources.turns import captioned
from triptych.errors import ConfigError, DataError, MissingExtraError, nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class HuggingFaceData:
    """A data set of the Hub or a local one, with the names of its columns."""

    path: str
    """`owner/name` on the Hub, a folder of data files, or one that `save_to_disk` wrote."""

    name: str = ""
    """Which of several configurations."""

    split: str = "train"
    """Which split; `train[:1000]` for the first thousand."""

    revision: str = ""
    """Commit or tag on the Hub; give one, so that a run can be repeated."""

    images: str = "image"
    """Column of the picture, or of a list of pictures; empty for text alone."""

    text: str = ""
    """Column of captions."""

    question: str = ""
    """Column of questions."""

    answer: str = ""
    """Column of answers."""

    conversations: str = ""
    """Column of turns."""

    prompt: str = ""
    """What is asked for where there are captions; nothing where empty."""

    stream: int = 0
    """Fetch only so many samples from the beginning, as they come, and keep them in memory, encoded
    as they are; 0 fetches the whole data set to disk and reads it from there."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def __post_init__(self) -> None:
        kinds = bool(self.text), bool(self.question and self.answer), bool(self.conversations)
        if sum(kinds) != 1 or bool(self.question) != bool(self.answer):
            raise ConfigError(
                "name the column of captions (text), those of question and answer, or the one of "
                f"conversations, and only one of these; got text={self.text!r}, "
                f"question={self.question!r}, answer={self.answer!r}, "
                f"conversations={self.conversations!r}"
            )
        if self.stream < 0:
            raise ConfigError(f"stream must be at least 0, got {self.stream}")

    @property
    def columns(self) -> Sequence[str]:
        """Those that are named."""
        named = (self.images, self.text, self.question, self.answer, self.conversations)
        return [name for name in named if name]

    def read(self, root: Path = Path()) -> Reading:
        """The rows, each read when it is asked for; a local path is relative to `root`.

        Raises:
            MissingExtraError: the package `datasets` is not installed.
            DataError: there is no such data set, split or column.
        """
        rows = Rows(self, _load(self, root))
        return rows, Ledger(f"{self.path} ({self.split})", num_kept=len(rows))


class Rows:
    """The rows of a table as conversations, read when asked for."""

    def __init__(self, source: HuggingFaceData, table: Any) -> None:
        """`table` has a length and gives rows, mappings by column, by number."""
        self.source = source
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int, /) -> Conversation:
        """One row as a conversation.

        Raises:
            DataError: it is not what its columns promise.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        sample_id = f"{self.source.split}[{index}]"
        try:
            return read_row(self.source, cast(Mapping[str, Any], self.table[index]), sample_id)
        except BadSample as error:
            raise DataError(f"{sample_id}: {error.problem}; {error.cure}") from error


def read_row(source: HuggingFaceData, row: Mapping[str, Any], sample_id: str) -> Conversation:
    """A row as a conversation."""
    pictures = _pictures(row.get(source.images) if source.images else None)
    if source.conversations:
        turns = filled_list(_as_list(row[source.conversations]), source.conversations)
        return Conversation(sample_id, _messages(turns, pictures))
    if source.text:
        if len(pictures) != 1:
            raise _wrong_number(len(pictures), "one caption")
        captions = row[source.text]
        texts = [captions] if isinstance(captions, str) else filled_list(captions, source.text)
        said = [filled_text(text, source.text) for text in texts]
        return captioned(sample_id, pictures[0], said, prompt=source.prompt)
    question = filled_text(row[source.question], source.question)
    answers = row[source.answer]
    answer = answers if isinstance(answers, str) else filled_list(answers, source.answer)[0]
    turn = {"user": question, "assistant": filled_text(answer, source.answer)}
    return Conversation(sample_id, _messages([turn], pictures))


def _pictures(value: object) -> list[object]:
    """What a column of pictures holds: bytes, or the path of a local file."""
    if value is None:
        return []
    listed = cast(Sequence[object], value) if isinstance(value, list) else [value]
    return [_picture(each) for each in listed]


def _picture(value: object) -> object:
    stored = mapping(value, "the picture", '{"bytes": ..., "path": ...}')
    content, path = stored.get("bytes"), stored.get("path")
    if isinstance(content, bytes):
        return content
    if isinstance(path, str) and path:
        return Path(path)
    raise BadSample("no picture", "the picture is empty", "remove the row")


def _messages(turns: Sequence[object], pictures: Sequence[object]) -> tuple[Message, ...]:
    """Turns written in any of the three ways; the pictures in front where none is marked."""
    said = list(_turns(turns))
    if pictures and not any("<image>" in turn["value"] for turn in said):
        said[0] = {**said[0], "value": "<image>\n" * len(pictures) + said[0]["value"]}
    names = [str(index) for index in range(len(pictures))]
    sample = {"image": names, "conversations": said} if names else {"conversations": said}
    return llava_messages(sample, lambda name, _: pictures[int(name)])


def _turns(turns: Sequence[object]) -> Iterator[dict[str, str]]:
    for index, value in enumerate(turns):
        where = f"turn {index}"
        turn = mapping(value, where, '{"role": ..., "content": ...}')
        if "from" in turn:
            yield {"from": turn["from"], "value": filled_text(turn.get("value"), where)}
        elif "role" in turn:
            content = field_of(turn, "content", where)
            text = content if isinstance(content, str) else _joined(content, where)
            yield {"from": turn["role"], "value": filled_text(text, where)}
        elif "user" in turn and "assistant" in turn:
            yield {"from": "human", "value": filled_text(turn["user"], where)}
            yield {"from": "gpt", "value": filled_text(turn["assistant"], where)}
        else:
            raise BadSample(
                "unknown form of turns",
                f"{where} has the keys {', '.join(map(str, turn))}",
                "write from and value, role and content, or user and assistant",
            )


def _joined(content: object, where: str) -> str:
    """Parts of a message as a text with markers."""
    parts = [
        mapping(part, where, '{"type": ...}') for part in filled_list(_as_list(content), where)
    ]
    return "".join(
        "<image>" if part.get("type") == "image" else str(part["text"]) for part in parts
    )


def _as_list(value: object) -> object:
    return list(cast(Sequence[object], value)) if isinstance(value, tuple) else value


def _wrong_number(count: int, needed: str) -> BadSample:
    return BadSample(
        "picture slots that do not fit",
        f"the row has {count} pictures for {needed}",
        "name another column, or use conversations",
    )


# -- the package itself ---------------------------------------------------------------------------


def _load(source: HuggingFaceData, root: Path) -> Any:
    """A table whose pictures are not decoded."""
    try:
        datasets: Any = import_module("datasets")
    except ImportError as error:
        raise MissingExtraError("datasets", "datasets", f"reading {source.path}") from error
    local = root / source.path
    try:
        if (local / "state.json").is_file():
            table = datasets.load_from_disk(str(local))
        else:
            table = datasets.load_dataset(
                str(local) if local.exists() else source.path,
                source.name or None,
                split=source.split,
                revision=source.revision or None,
                streaming=source.stream > 0,
            )
    except Exception as error:  # networks, caches and builders raise anything
        reason = " ".join(str(error).split())
        raise DataError(
            f"the data set {source.path} (split {source.split}) cannot be loaded: {reason:.300}"
        ) from error
    _check_columns(source, table)
    table = _undecoded(datasets, table)
    return list[Any](islice(table, source.stream)) if source.stream else table


def _check_columns(source: HuggingFaceData, table: Any) -> None:
    known = cast("list[str] | None", table.column_names)
    for name in source.columns:
        if known is not None and name not in known:
            raise DataError(f"{source.path} has no column {name!r}; {nearest(name, known)}")


def _undecoded(datasets: Any, table: Any) -> Any:
    """The same with pictures left as bytes: opening them is the processor's business."""
    features = cast("Mapping[str, Any] | None", table.features)
    if features is None:  # a stream that does not know its columns before it is read
        return table.decode(False)
    plain = datasets.Image(decode=False)
    for name, feature in features.items():
        if isinstance(feature, datasets.Image):
            table = table.cast_column(name, plain)
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            table = table.cast_column(name, type(feature)(plain))
    return table
