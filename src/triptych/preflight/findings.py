"""What was found: one sentence of what is wrong and one of what to do, for one sample each."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one sample that a person should know before the run."""

    kind: str
    """A short name that findings are counted by."""
    sample_id: str
    what: str
    """What is wrong, with the values."""
    fix: str
    """What to do about it."""
    spoils: bool = True
    """Whether the run would be spoilt by it, or end."""

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


def count_kinds(findings: Iterable[Finding]) -> Mapping[str, int]:
    """How often each kind was found, the most frequent first."""
    return dict(Counter(each.kind for each in findings).most_common())


def split_sentence(sentence: str) -> tuple[str, str]:
    """An error's sentence as what is wrong and what to do, which stands behind its semicolon."""
    what, _, fix = sentence.rpartition("; ")
    if what:
        return what, fix
    return sentence, "mend the sample, or leave it out"


_CURES = {
    "picture file missing": "put the picture there, or mend its path",
    "picture on the web": "download the picture and write its path",
    "invalid JSON": "write one complete JSON object on the line",
    "empty content": "write what is said, or leave the sample out",
    "repeated id": "give every sample an id of its own",
    "missing key": "add the key",
    "unknown key": "take the key away, or spell it as the format does",
    "unknown role": "use one of system, user, assistant",
    "unknown part type": "use one of text, image, video, box, point",
    "place without a picture": "count the pictures from 0 under 'image'",
    "box the wrong way round": "write left, top, right, bottom",
    "picture slots that do not fit": "write one slot for each picture",
    "no captions": "write a caption, or leave the picture out",
    "no picture": "add the picture, or leave the sample out",
}


def cure_of(reason: str) -> str:
    """What to do about a sample that a reader left out for this reason."""
    return _CURES.get(reason, "mend the sample, or leave it out")
