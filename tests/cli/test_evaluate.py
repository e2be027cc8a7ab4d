"""`evaluate`: abilities with intervals and controls, as a table or as JSON."""

import json
from pathlib import Path

from tests.cli.command import Command


def test_a_row_has_its_score_interval_and_control(triptych: Command, tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    done = triptych("evaluate", "--row", "attribute", "--items", "4", "--json", "--out", str(out))
    found = json.loads(done.out)
    assert json.loads(out.read_text()) == found
    assert set(found) == {"attribute", "both twins"}
    row = found["attribute"]
    assert row["low"] <= row["score"] <= row["high"]
    assert {"blank", "prior", "unparsed"} <= set(row)
    assert row["items"] == 4


def test_people_get_a_line_for_each_row(triptych: Command) -> None:
    done = triptych("evaluate", "--row", "sign reading", "--items", "2")
    assert {"ability", "score", "95", "blank", "prior", "bar"} <= set(done.out.split())
    assert "sign reading" in done.out and "..." not in done.out
    assert not done.err.strip()


def test_an_unknown_row_is_one_sentence(triptych: Command) -> None:
    done = triptych("evaluate", "--row", "flying")
    assert done.code == 2
    assert "there is no row named 'flying'" in done.err
