"""The whole report on a run: its stages one after the other, printed or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from triptych.preflight.looked import Looked
from triptych.preflight.memory import TrainingForecast, compare_with_run
from triptych.preflight.showing import as_dict, print_looked, print_ratios, print_training
from triptych.processor import Processor


@dataclass(frozen=True, slots=True)
class LookedStage:
    """One stage of a run, or one file, looked through."""

    name: str
    processor: Processor
    looked: Looked
    forecast: TrainingForecast | None = None
    """None of a file alone, and where no sample can be used."""


def print_stages(stages: Sequence[LookedStage], run: Path | None = None) -> None:
    """Print every stage; with the folder of a finished run also what came of the forecast.

    Raises:
        DataError: the run has no record.
    """
    console = Console(highlight=False)
    for stage in stages:
        console.rule(stage.name, align="left")
        print_looked(stage.looked, stage.processor, console)
        if stage.forecast is not None:
            print_training(stage.forecast, console)
            if run is not None:
                ratios = compare_with_run(stage.forecast, _stage_folder(run, stage.name))
                print_ratios(ratios, console)


def to_json(stages: Sequence[LookedStage], run: Path | None = None) -> str:
    """The same as JSON, with every finding.

    Raises:
        DataError: the run has no record.
    """
    found: list[dict[str, object]] = []
    for stage in stages:
        entry: dict[str, object] = {"name": stage.name, **as_dict(stage.looked)}
        if stage.forecast is not None:
            entry["forecast"] = stage.forecast.as_dict()
            if run is not None:
                ratios = compare_with_run(stage.forecast, _stage_folder(run, stage.name))
                names = ("foreseen", "happened", "ratio")
                entry["happened"] = {
                    name: dict(zip(names, values, strict=True)) for name, values in ratios.items()
                }
        found.append(entry)
    return json.dumps({"spoils": any(s.looked.spoils for s in stages), "stages": found}, indent=2)


def _stage_folder(run: Path, name: str) -> Path:
    return run / name if (run / name).is_dir() else run
