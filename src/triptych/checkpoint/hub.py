"""Models by their names on the Hugging Face Hub: `owner/name`, or `owner/name@revision`.

Only what is read here is fetched: settings, tokenizer, chat template, card, and the safetensors
files that hold the weights. Pickles are never fetched, and no code of a repository is ever run.
Files lie in the Hub's own cache, shared with every other program; offline it alone is read. A
revision is a branch, a tag or a commit; a whole commit is taken from the cache without asking.
"""

import json
import logging
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from triptych.checkpoint.files import read_json
from triptych.checkpoint.hub_answers import MAIN, HubName, UnreachableError, endpoint, explained
from triptych.checkpoint.shards import INDEX, WEIGHTS
from triptych.errors import CheckpointError
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    PROCESSOR,
    TOKENIZER,
    TOKENIZER_CONFIG,
)

SETTINGS = (
    *(CONFIG, GENERATION, PREPROCESSOR, PROCESSOR, "video_preprocessor_config.json"),
    *(TOKENIZER, TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.jinja", "chat_template.json", "README.md", INDEX),
)
"""All that is fetched besides weights, where it is there."""

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Endings of weights that can run code when they are read."""

TIMEOUT_S = 30.0
"""Longest silence of the Hub before its answer."""

_NAME = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*?)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")

_log = logging.getLogger(__name__)


def read_name(name: str) -> HubName | None:
    """A name on the Hub; None for what can only be a path.

    What begins with a folder that is here is a path: `runs/first` is never looked for elsewhere.
    """
    found = _NAME.fullmatch(name)
    if found is None or Path(name.partition("/")[0]).is_dir():
        return None
    return HubName(found["repository"], found["revision"] or MAIN)


def model_folder(name: str | Path, *, offline: bool = False, weights: bool = True) -> Path:
    """The folder of that name, or else the local copy of the model of that name on the Hub.

    Args:
        name: A folder, or a text like `owner/name@revision`. A folder on disk wins.
        offline: Read the Hub's local cache only.
        weights: Whether the weights are needed, or the settings alone.

    Raises:
        CheckpointError: there is no such folder, or see `fetch`.
        UsageError: see `fetch`.
    """
    hub_name = None if isinstance(name, Path) or Path(name).is_dir() else read_name(name)
    if hub_name is None:
        return Path(name)
    return fetch(hub_name, offline=offline, weights=weights)


def fetch(name: HubName, *, offline: bool = False, weights: bool = True) -> Path:
    """The folder with a model of the Hub, fetched unless it is in the local cache already.

    Without a network, too, what the cache holds whole is taken; a warning says so.

    Raises:
        UsageError: there is no such repository or revision.
        CheckpointError: it is gated; it has no settings, no weights, or pickles alone; the Hub
            cannot be reached; a download broke off; files are missing or torn; the disk is full.
    """
    if offline or _is_offline():
        return _cached_whole(name, weights, "offline")
    folder = cached_folder(name)
    is_here = folder is not None and not _missing(folder, weights)
    if folder is not None and is_here and _COMMIT.fullmatch(name.revision):
        return folder
    try:
        with explained(name, "cannot be looked up", "check the network, or name a folder"):
            offered = _list_files(name)
    except UnreachableError as error:
        if folder is None or not is_here:
            raise
        _log.warning("%s; taking the copy in the local cache, %s", error, folder)
        return folder
    return _download(name, offered, weights)


def cached_folder(name: HubName) -> Path | None:
    """Where the local cache has that revision, in part or whole; None where it has not."""
    storage = cache() / f"models--{name.repository.replace('/', '--')}"
    reference = storage / "refs" / name.revision
    commit = reference.read_text().strip() if reference.is_file() else name.revision
    folder = storage / "snapshots" / commit
    return folder if _COMMIT.fullmatch(commit) and folder.is_dir() else None


def cached_models() -> dict[HubName, Path]:
    """Every revision of a model in the local cache that has its settings.

    By its branches and tags, or by its commit where it has none.
    """
    found: dict[HubName, Path] = {}
    for storage in sorted(cache().glob("models--*--*")):
        repository = storage.name.removeprefix("models--").replace("--", "/", 1)
        references = {
            str(path.relative_to(storage / "refs")): path.read_text().strip()
            for path in sorted((storage / "refs").rglob("*"))
            if path.is_file()
        }
        for config in sorted(storage.glob(f"snapshots/*/{CONFIG}")):
            commit = config.parent.name
            named = [each for each, meant in references.items() if meant == commit]
            for revision in named or [commit]:
                found[HubName(repository, revision)] = config.parent
    return found


def cache() -> Path:
    """The folder of the local cache: HF_HUB_CACHE, or `hub` in HF_HOME."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def name_of(folder: Path) -> str:
    """What a model in that folder is called: the folder's name, or that on the Hub."""
    folder = folder.resolve()
    storage = folder.parent.parent.name
    if folder.parent.name == "snapshots" and storage.startswith("models--"):
        return storage.rpartition("--")[2]
    return folder.name


# -- what there is --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Offered:
    """What a repository holds at one commit."""

    commit: str
    sizes: Mapping[str, int | None]
    """Bytes of every file, where the Hub says so."""


def _list_files(name: HubName) -> _Offered:
    from huggingface_hub import HfApi

    info = HfApi(endpoint=endpoint()).model_info(
        name.repository, revision=name.revision, files_metadata=True, timeout=TIMEOUT_S
    )
    siblings = cast(Iterable[Any], info.siblings or ())
    return _Offered(str(info.sha), {each.rfilename: each.size for each in siblings})


def _download(name: HubName, offered: _Offered, weights: bool) -> Path:
    """Settings first, then the weights that they name."""
    if CONFIG not in offered.sizes:
        raise CheckpointError(f"{name} has no {CONFIG}; it is no model that can be read here")
    if weights and not {WEIGHTS, INDEX} & set(offered.sizes):
        raise CheckpointError(_no_weights(name, offered.sizes))
    settings = [each for each in SETTINGS if each in offered.sizes]
    folder = _get(name, offered, settings, is_shown=False)
    if not weights:
        return folder
    files = _weight_files(folder)
    absent = [each for each in files if each not in offered.sizes]
    if absent:
        raise CheckpointError(
            f"{name} lacks {_listed(absent)}, which its {INDEX} names; take another revision, "
            "or ask its owner to upload it"
        )
    _check_room(name, offered, [each for each in files if not (folder / each).is_file()])
    return _get(name, offered, files, is_shown=sys.stderr.isatty())


def _get(name: HubName, offered: _Offered, files: list[str], *, is_shown: bool) -> Path:
    """Bring files into the cache, with a progress bar on stderr where that is wanted."""
    import huggingface_hub

    download = cast(Any, huggingface_hub).snapshot_download
    with explained(name, "was not downloaded whole", "run it again, it goes on where it stopped"):
        folder = Path(
            download(
                name.repository,
                revision=name.revision,
                allow_patterns=files,
                endpoint=endpoint(),
                etag_timeout=TIMEOUT_S,
                max_workers=4,
                tqdm_class=None if is_shown else _hidden_bar(),
            )
        )
    missing = [each for each in files if not (folder / each).is_file()]
    if missing:
        raise CheckpointError(
            f"{name} was not downloaded whole: {_listed(missing)} is missing; run it again"
        )
    for each in files:
        _check_whole(folder / each, offered.sizes[each])
    return folder


def _hidden_bar() -> type:
    """A progress bar that is not drawn."""
    from huggingface_hub.utils import tqdm

    class Hidden(cast(Any, tqdm)):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

    return Hidden


def _check_room(name: HubName, offered: _Offered, files: list[str]) -> None:
    needed = sum(offered.sizes[each] or 0 for each in files)
    place = next(each for each in (cache(), *cache().parents) if each.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise CheckpointError(
            f"{name} needs {needed / 1e9:.1f} GB of disk and {place} has {free / 1e9:.1f} GB left; "
            "make room, or set HF_HUB_CACHE to a folder on a larger disk"
        )


def _no_weights(name: HubName, files: Iterable[str]) -> str:
    pickles = sorted(each for each in files if each.endswith(PICKLES))
    if pickles:
        return (
            f"{name} has its weights as pickles only ({_listed(pickles)}), which can run code when "
            "they are read; ask its owner for safetensors, or take a revision that has them"
        )
    return f"{name} has no weights ({WEIGHTS} or {INDEX}); take another revision or another model"


# -- what is in the cache -------------------------------------------------------------------------


def _cached_whole(name: HubName, weights: bool, why: str) -> Path:
    folder = cached_folder(name)
    missing = None if folder is None else _missing(folder, weights)
    if folder is None or missing:
        lack = f"of {name} lacks {_listed(missing)}" if missing else f"does not have {name}"
        raise CheckpointError(
            f"{why}, and the local cache {cache()} {lack}; fetch it once with a network, without "
            "--offline and HF_HUB_OFFLINE"
        )
    return folder


def _missing(folder: Path, weights: bool) -> list[str]:
    """Files that a snapshot lacks. Weights that are there are looked at for their length."""
    if not (folder / CONFIG).is_file():
        return [CONFIG]
    files = _weight_files(folder) if weights else []
    missing = [each for each in files if not (folder / each).is_file()]
    for each in files:
        if each not in missing:
            _check_whole(folder / each, None)
    return missing


def _weight_files(folder: Path) -> list[str]:
    """The files of weights: those that the index names, or the only one."""
    if not (folder / INDEX).is_file():
        return [WEIGHTS]
    index = read_json(folder / INDEX)
    places = cast(Any, index).get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        return []
    names = map(str, cast(dict[str, object], places).values())
    return sorted({each for each in names if Path(each).name == each})


def _check_whole(path: Path, size: int | None) -> None:
    """Refuse a file that is shorter or longer than it should be, as far as that is known."""
    actual = path.stat().st_size
    expected = _stated_size(path) if path.suffix == ".safetensors" else size
    for wanted in (expected, size):
        if wanted is not None and wanted != actual:
            raise CheckpointError(
                f"{path} is torn: it has {actual:,} bytes and should have {wanted:,}; "
                f"delete {path.resolve()} and fetch it again"
            )


def _stated_size(path: Path) -> int | None:
    """How long a safetensors file says it is: its header, and where its last tensor ends."""
    with path.open("rb") as file:
        head = file.read(8)
        num_header = int.from_bytes(head, "little")
        if len(head) < 8 or num_header > path.stat().st_size:
            return 8 + num_header
        try:
            header = json.loads(file.read(num_header))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key[:2] != "__"]
            return 8 + num_header + int(max(ends, default=0))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None  # not what it says it is; reading it will say so


def _is_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _listed(names: Iterable[str], shown: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
