"""Triptych beside OpenVINO GenAI: time to first token and tokens per second on one Qwen2-VL.

python benchmarks/random_checkpoint.py /tmp/2b --shape 2b
python benchmarks/against_openvino.py /tmp/2b --files /tmp/2b-openvino \
    --peer-python GENAI/bin/python --exporter-python OPTIMUM/bin/python \
    --threads 2 --keep

OPTIMUM is an environment with optimum-intel; folders that are there already are not made again, and
then it is not needed. How to set it all up is in README.md.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import HERE, Case, compare, parser


@dataclass(frozen=True, kw_only=True)
class Precision:
    """One kind of numbers, as OpenVINO names it, and what of ours stands beside it."""

    weights: str
    """Of the converted folder."""
    computes: str | None
    """What the CPU plugin is told to compute in; None leaves it to decide: bfloat16 where the CPU
    has instructions for it, else float32."""
    ours: Mapping[str, Any]
    options: Sequence[str] = ()
    """Of the exporter."""


CONFIG = "config.json"

PRECISIONS = {
    "float32": Precision(weights="fp32", computes="f32", ours={"dtype": "float32"}),
    "bfloat16": Precision(weights="fp16", computes="bf16", ours={"dtype": "bfloat16"}),
    "int8": Precision(weights="int8", computes=None, ours={"quantize": "int8"}),
    "int8-float32": Precision(weights="int8", computes="f32", ours={"quantize": "int8"}),
    "int4": Precision(
        weights="int4",
        computes=None,
        ours={"quantize": "vision=int8,connector=int8,language=int4"},
        options=("--group-size", "32", "--ratio", "1.0"),
    ),
}
"""The plugin turns inputs into int8 before layers of int8 or int4, by itself, as Triptych does."""


def main() -> None:
    """Convert what is missing, then compare."""
    options = parser(__doc__ or "", tuple(PRECISIONS))
    options.add_argument("--exporter-python", help="Python that has optimum-intel installed")
    options.add_argument("--convert-only", action="store_true", help="make the folders and stop")
    arguments = options.parse_args()
    cases = [_case(name, PRECISIONS[name], arguments) for name in arguments.only]
    if not arguments.convert_only:
        compare(arguments, "OpenVINO GenAI", "peer_openvino.py", cases)


def _case(name: str, precision: Precision, arguments: argparse.Namespace) -> Case:
    folder = _converted(precision, arguments)
    hint, name = precision.computes, precision.weights
    theirs = {
        "folder": str(folder),
        "name": name if hint is None else f"{name} in {hint}",
        "properties": {} if hint is None else {"INFERENCE_PRECISION_HINT": hint},
    }
    return Case(name=name, ours=precision.ours, theirs=theirs)


def _converted(precision: Precision, arguments: argparse.Namespace) -> Path:
    """A folder that the exporter makes, made where it is missing."""
    folder: Path = arguments.files / precision.weights
    if not folder.is_dir():
        if arguments.exporter_python is None:
            raise SystemExit(f"there is no {folder}; give --exporter-python to make it")
        arguments.files.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=arguments.files) as partial:
            _export_by_parts(precision, arguments, Path(partial))
            (Path(partial) / "language").rename(folder)
    return folder


def _export_by_parts(precision: Precision, arguments: argparse.Namespace, place: Path) -> None:
    """Export the language model beside few vision blocks, and the other way round, and join them.

    The exporter keeps all of a model in memory several times; so it takes half as much.
    """
    config = json.loads((arguments.model / CONFIG).read_text())
    few_eyes = {**config, "vision_config": {**config["vision_config"], "depth": 1}}
    few_words = {**config, "num_hidden_layers": 1}
    for name, part in (("language", few_eyes), ("vision", few_words)):
        source = place / f"{name}-source"
        source.mkdir()
        for file in arguments.model.iterdir():
            (source / file.name).symlink_to(file.resolve())
        (source / CONFIG).unlink()
        (source / CONFIG).write_text(json.dumps(part))
        _export(source, place / name, precision, arguments.exporter_python)
    for file in (place / "vision").glob("openvino_vision_*"):
        file.replace(place / "language" / file.name)
    (place / "language" / CONFIG).write_text(json.dumps(config))


def _export(source: Path, target: Path, precision: Precision, python: str) -> None:
    command = [python, str(HERE / "export_openvino.py"), "-m", str(source)]
    command += ["--weight-format", precision.weights, *precision.options, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")


if __name__ == "__main__":
    main()
