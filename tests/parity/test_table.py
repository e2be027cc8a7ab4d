"""The parity table: complete, and red when anything is."""

import json
from dataclasses import replace

import pytest
from tests.parity import table
from tests.parity.rows import NUM_GREEDY, ParityRow
from tests.parity.table import Measured, main, unmeasured

GOOD = ParityRow(
    family="A (small)", vision=1e-6, connector=None, output=2e-6, spread=0.5, greedy=NUM_GREEDY
)


@pytest.fixture
def says(monkeypatch):
    """Families that say what a test wants; one called A can be imported."""

    def set_rows(**measured: Measured) -> None:
        monkeypatch.setattr(table, "file_names", lambda: sorted(measured))
        monkeypatch.setattr(table, "measure", measured.__getitem__)
        monkeypatch.setattr(table, "_titles", lambda: ["A"])

    return set_rows


def test_every_row_is_printed_with_its_numbers(says, capsys):
    says(a=Measured("a", (GOOD, replace(GOOD, family="A (large)", greedy=None))))
    assert main([]) == 0
    small, large = (line for line in capsys.readouterr().out.splitlines() if "A (" in line)
    assert [cell.strip() for cell in small.split("│")[1:-1]] == (
        ["A (small)", "1.0e-06", "-", "2.0e-06", "5.0e-01", "32", "yes"]
    )
    assert [cell.strip() for cell in large.split("│")[1:-1]][-2:] == ["-", "yes"]


def test_json_is_the_rows_with_their_verdicts(says, capsys):
    says(a=Measured("a", (GOOD,)))
    assert main(["--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row == {
        "family": "A (small)",
        "vision": 1e-6,
        "connector": None,
        "output": 2e-6,
        "spread": 0.5,
        "greedy": 32,
        "ok": True,
    }


@pytest.mark.parametrize("bad", [{"output": 3e-5}, {"vision": 3e-5}, {"greedy": 31}])
def test_a_missed_bar_fails_and_is_marked(says, capsys, bad):
    says(a=Measured("a", (GOOD, replace(GOOD, **bad))))
    assert main([]) == 1
    verdicts = [line.split("│")[-2].strip() for line in capsys.readouterr().out.splitlines()[3:5]]
    assert verdicts == ["yes", "no"]


def test_a_file_that_fails_does_not_hide_the_others(says, capsys):
    says(a=Measured("a", (GOOD,)), b=Measured("b", error="KeyError: 'x'"))
    assert main([]) == 1
    told = capsys.readouterr()
    assert "A (small)" in told.out and "failed" in told.out
    assert "b: KeyError: 'x'" in told.err


def test_a_family_without_a_row_fails(says, capsys):
    says(b=Measured("b", (replace(GOOD, family="B"),)))
    assert main([]) == 1
    assert "A: no row; add a file" in capsys.readouterr().err
    assert main(["b"]) == 0  # a part of the table was asked for


def test_a_title_counts_with_and_without_brackets():
    rows = [GOOD, replace(GOOD, family="B")]
    assert unmeasured(["A", "B", "C", "A B"], rows) == ["C", "A B"]


def test_what_a_file_raises_is_its_error():
    assert table.measure("no_such_family").error.startswith("ModuleNotFoundError: No module")


def test_an_unknown_name_is_refused(says, capsys):
    says(a=Measured("a", (GOOD,)))
    with pytest.raises(SystemExit) as stop:
        main(["c"])
    assert stop.value.code == 2
    assert "no file of families/ is called c" in capsys.readouterr().err
