"""Triptych beside llama.cpp: time to first token and tokens per second on one exported Qwen2-VL.

python benchmarks/random_checkpoint.py /tmp/2b --shape 2b
python benchmarks/against_llama_cpp.py /tmp/2b --files /tmp/2b-gguf \
    --peer-python PEER/bin/python --llama-cpp SOURCES --threads 2 --keep

SOURCES is a folder of llama.cpp with `convert_hf_to_gguf.py`, `conversion/` and `gguf-py/`; files
that are there already are not made again, and then it is not needed. How to set it all up is in
README.md.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import HERE, Case, compare, parser


@dataclass(frozen=True, kw_only=True)
class Precision:
    """One kind of numbers, as llama.cpp names it, and what of ours stands beside it."""

    model: str
    """Of the language model's file."""
    mmproj: str
    """Of the vision part's file."""
    ours: Mapping[str, Any]


PRECISIONS = {
    "float32": Precision(model="f32", mmproj="f32", ours={"dtype": "float32"}),
    "bfloat16": Precision(model="bf16", mmproj="bf16", ours={"dtype": "bfloat16"}),
    "float16": Precision(model="f16", mmproj="f16", ours={"dtype": "bfloat16"}),
    "int8": Precision(model="q8_0", mmproj="q8_0", ours={"quantize": "int8"}),
    "int4": Precision(
        model="q4_0",
        mmproj="q8_0",
        ours={"quantize": "vision=int8,connector=int8,language=int4"},
    ),
}
"""float16 stands beside our bfloat16: the same bytes a weight, the kind that each is better at."""

QUANTISED_HERE = {"q4_0": "bf16"}
"""Kinds that llama.cpp's library makes from a file of another, its converter does not."""


def main() -> None:
    """Convert what is missing, then compare."""
    options = parser(__doc__ or "", tuple(PRECISIONS))
    options.add_argument("--llama-cpp", type=Path, help="sources of llama.cpp, for its converter")
    options.add_argument("--convert-only", action="store_true", help="make the files and stop")
    arguments = options.parse_args()
    arguments.files.mkdir(parents=True, exist_ok=True)
    cases = [_case(name, PRECISIONS[name], arguments) for name in arguments.only]
    if not arguments.convert_only:
        compare(arguments, "llama.cpp", "peer_llama_cpp.py", cases)


def _case(name: str, precision: Precision, arguments: argparse.Namespace) -> Case:
    files = {
        "model": _model(precision.model, arguments),
        "mmproj": _converted("mmproj", precision.mmproj, arguments, ["--mmproj"]),
    }
    theirs = {key: str(path) for key, path in files.items()}
    return Case(name=name, ours=precision.ours, theirs=theirs)


def _model(kind: str, arguments: argparse.Namespace) -> Path:
    if kind not in QUANTISED_HERE:
        return _converted("model", kind, arguments, [])
    file: Path = arguments.files / f"model.{kind}.gguf"
    if not file.is_file():
        source = _model(QUANTISED_HERE[kind], arguments)
        _run([arguments.peer_python, str(HERE / "quantise_gguf.py"), str(source), str(file), kind])
    return file


def _converted(stem: str, kind: str, arguments: argparse.Namespace, options: Sequence[str]) -> Path:
    """A file that llama.cpp's converter makes, made where it is missing."""
    file: Path = arguments.files / f"{stem}.{kind}.gguf"
    if not file.is_file():
        if arguments.llama_cpp is None:
            raise SystemExit(f"there is no {file}; give --llama-cpp for the converter")
        script, folder = HERE / "convert_gguf.py", arguments.model
        sources = str(arguments.llama_cpp)
        command = [sys.executable, str(script), sources, str(folder), *options]
        _run([*command, "--outfile", str(file), "--outtype", kind])
    return file


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


if __name__ == "__main__":
    main()
