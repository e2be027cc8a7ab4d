"""The record of a run survives crashes."""

from pathlib import Path

import pytest

from triptych.errors import DataError
from triptych.train.record import Record, read_record


def test_lines_come_back_as_written(tmp_path: Path) -> None:
    record = Record(tmp_path / "run" / "record.jsonl")
    record.write({"step": 1, "loss": 2.5})
    record.write({"step": 2, "loss": 2.25})
    assert read_record(record.path) == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.25}]


def test_a_run_that_never_wrote_has_an_empty_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "record.jsonl") == []


def test_a_half_written_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "lo')
    assert read_record(path) == [{"step": 1, "loss": 2.5}]
    Record(path, resume_step=1).write({"step": 2, "loss": 2.0})
    assert [line["step"] for line in read_record(path)] == [1, 2]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(DataError, match=r"record\.jsonl:2 is not a JSON line"):
        read_record(path)


def test_resuming_drops_the_steps_that_will_be_done_again(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text("".join(f'{{"step": {step}}}\n' for step in range(1, 8)))
    Record(path, resume_step=4)
    assert [line["step"] for line in read_record(path)] == [1, 2, 3, 4]


def test_starting_afresh_drops_everything(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text('{"step": 1}\n')
    Record(path)
    assert read_record(path) == []
