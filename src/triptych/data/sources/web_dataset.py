"""WebDataset: tar files in which the files of one sample stand behind each other and share a name.

    train-000000.tar      000000123.jpg  000000123.txt  000000124.jpg  000000124.txt ...

A sample is one picture or several (`7.0.jpg`, `7.1.png`) and what is said about it:

    7.txt     the whole text is the caption
    7.json    {"caption": ...} or {"text": ...}, {"conversations": [...]} as LLaVA writes them, or
              {"messages": [...]}, whose pictures are named by their endings: {"image": "jpg"}

Only the heads of the files inside and the small texts are read at first; a picture is read from its
place in the tar when its sample is used, so any sample can be had at random and nothing is
unpacked. Shards are local files without compression.

Format: https://github.com/webdataset/webdataset
"""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from triptych.data.sources.captioned_folder import PICTURES
from triptych.data.sources.conversation import BadSample, Collected, Conversation, Reading
from triptych.data.sources.fields import filled_list, filled_text, mapping
from triptych.data.sources.llava import llava_messages
from triptych.data.sources.parts import check_places, read_message
from triptych.data.sources.turns import captioned
from triptych.errors import DataError

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_TEXTS = ("txt", "text", "caption")
_MAX_TEXT_BYTES = 8 * 2**20
"""Of a text or JSON file of a sample; more is no text about a picture."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside of a shard; a picture of this kind is read when its sample is used."""

    shard: Path
    name: str
    offset: int
    """Of its content, in bytes."""
    num_bytes: int

    @property
    def key(self) -> str:
        """What the files of one sample share: all up to the first point of the file's name."""
        folder, slash, name = self.name.rpartition("/")
        return folder + slash + name.partition(".")[0]

    @property
    def ending(self) -> str:
        """The rest, in lower case: `jpg`, `0.jpg`, `json`."""
        return self.name.rpartition("/")[2].partition(".")[2].lower()

    def read(self) -> bytes:
        """The content of the file.

        Raises:
            DataError: the shard is gone or cut off.
        """
        try:
            with self.shard.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.num_bytes)
        except OSError as error:
            raise DataError(
                f"{self.shard} cannot be read ({error.strerror}); it should hold {self.name}"
            ) from error
        if len(content) < self.num_bytes:
            raise DataError(f"{self.shard} is cut off within {self.name}; copy it again")
        return content


@dataclass(frozen=True, kw_only=True, slots=True)
class WebDataset:
    """Samples in tar files."""

    shards: str
    """One file, a pattern like `train-*.tar`, or a range like `train-{000000..000012}.tar`."""

    prompt: str = ""
    """What is asked for where a sample is a caption; nothing where empty."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The samples in the order of the shards; paths are relative to `root`.

        Raises:
            DataError: a shard is missing or no tar file, or too many samples cannot be used.
        """
        collected = Collected(root / self.shards, self.tolerate)
        for shard in find_shards(root, self.shards):
            for key, members in groupby(_members(shard, collected), key=lambda each: each.key):
                files = {member.ending: member for member in members}
                collected.add(f"{shard}: {key}", partial(self._read_sample, key, files))
        return collected.finish()

    def _read_sample(self, key: str, files: Mapping[str, Member]) -> Conversation:
        pictures = [files[name] for name in sorted(files) if f".{name}".endswith(PICTURES)]
        if not pictures and "json" not in files:
            raise BadSample("no picture", f"{key} has no picture, only {_named(files)}", "add one")
        said: Mapping[str, Any] = _json(files["json"]) if "json" in files else {}
        if "messages" in said or "conversations" in said:
            return _conversation(key, said, files, pictures)
        text = next((files[name] for name in _TEXTS if name in files), None)
        caption = _text(text) if text is not None else said.get("caption", said.get("text"))
        if caption is None:
            raise BadSample("no captions", f"{key} has no text, only {_named(files)}", "add one")
        if len(pictures) != 1:
            raise BadSample(
                "picture slots that do not fit",
                f"{key} has {len(pictures)} pictures for one caption",
                "say where each stands, in a JSON file with messages",
            )
        extra = {name: said[name] for name in said if name not in ("caption", "text")}
        caption = filled_text(caption, "the caption")
        return captioned(key, pictures[0], [caption], prompt=self.prompt, extra=extra)


def find_shards(root: Path, pattern: str) -> Sequence[Path]:
    """The files that a name, a pattern or a range means, in order.

    Raises:
        DataError: there is none, or one of a range is missing.
    """
    match = _RANGE.search(pattern)
    if match is not None:
        first, last = match[1], match[2]
        numbers = range(int(first), int(last) + 1)
        names = [_RANGE.sub(str(number).zfill(len(first)), pattern, count=1) for number in numbers]
        return [path for name in names for path in find_shards(root, name)]
    is_pattern = any(sign in pattern for sign in "*?[")
    found = sorted(root.glob(pattern)) if is_pattern else [root / pattern]
    missing = [path for path in found if not path.is_file()]
    if not found or missing:
        raise DataError(
            f"there is no shard {missing[0] if missing else root / pattern}; name a file, a "
            "pattern like train-*.tar or a range like train-{000..012}.tar"
        )
    return found


def _members(shard: Path, collected: Collected) -> Iterator[Member]:
    """The files of a shard in their order; a shard that is cut off ends early and is listed."""
    total = shard.stat().st_size
    try:
        with tarfile.open(shard, "r:") as archive:
            for info in archive:
                if info.isfile() and info.offset_data + info.size <= total:
                    yield Member(shard, info.name, info.offset_data, info.size)
    except tarfile.ReadError as error:
        if "unexpected end" not in str(error):
            raise DataError(
                f"{shard} is no tar file, or compressed, so no sample can be read at random; "
                "unpack it to a plain .tar"
            ) from error
        collected.leave_out(
            str(shard),
            BadSample("shard cut off", f"{shard} ends within a file", "copy it again"),
        )


def _conversation(
    key: str, said: Mapping[str, Any], files: Mapping[str, Member], pictures: Sequence[Member]
) -> Conversation:
    extra = {name: said[name] for name in said if name not in ("messages", "conversations")}
    if "conversations" in said:
        names = [picture.name for picture in pictures]
        by_name = {picture.name: picture for picture in pictures}
        turns = {"image": names, "conversations": said["conversations"]}
        return Conversation(key, llava_messages(turns, lambda name, _: by_name[name]), extra)

    def find(name: str, where: str) -> Member:
        if name.lower() not in files:
            raise BadSample(
                "picture file missing",
                f"{where} names {name!r}, but {key} has only {_named(files)}",
                "name a picture by its ending",
            )
        return files[name.lower()]

    messages = [
        read_message(message, f"messages[{index}]", find)
        for index, message in enumerate(filled_list(said["messages"], "messages"))
    ]
    check_places(messages, key)
    return Conversation(key, tuple(messages), extra)


def _json(member: Member) -> Mapping[str, Any]:
    try:
        value: object = json.loads(_text(member))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadSample("invalid JSON", f"{member.name} is not valid JSON", "mend it") from error
    return mapping(value, member.name, '{"caption": ...}')


def _text(member: Member) -> str:
    if member.num_bytes > _MAX_TEXT_BYTES:
        raise BadSample(
            "text that cannot be read",
            f"{member.name} has {member.num_bytes:,} bytes, more than a text about a picture",
            "shorten it",
        )
    try:
        return member.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSample(
            "text that cannot be read", f"{member.name} is not UTF-8", "save it as UTF-8"
        ) from error


def _named(files: Mapping[str, Member]) -> str:
    return ", ".join(sorted(files)) or "nothing"
