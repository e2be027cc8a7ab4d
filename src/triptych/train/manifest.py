"""Checksums of the files of a folder, by which a torn or changed one is found out.

manifest.json    {"files": {"model.safetensors": {"bytes": 1234, "sha256": "..."}, ...}}
"""

import hashlib
import os
from pathlib import Path

from triptych.checkpoint.files import read_json, write_json
from triptych.errors import CheckpointError

MANIFEST = "manifest.json"


def seal(folder: Path) -> None:
    """Flush every file of a folder to the disk and write down what it holds."""
    files: dict[str, dict[str, int | str]] = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            files[path.name] = {
                "bytes": path.stat().st_size,
                "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
    write_json(folder / MANIFEST, {"files": files})


def find_damage(folder: Path) -> str:
    """What is wrong with a sealed folder; empty if every file is as it was written."""
    try:
        files = read_json(folder / MANIFEST)["files"]
        for name, expected in files.items():
            with (folder / name).open("rb") as file:
                num_bytes = os.fstat(file.fileno()).st_size
                if num_bytes != expected["bytes"]:
                    return f"{name} has {num_bytes:,} of {expected['bytes']:,} bytes"
                if hashlib.file_digest(file, "sha256").hexdigest() != expected["sha256"]:
                    return f"the checksum of {name} is wrong"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    except (CheckpointError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is missing or torn"
    return ""
