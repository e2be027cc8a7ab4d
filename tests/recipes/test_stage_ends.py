"""What a stage shows while it goes on and says at its end."""

import re
from pathlib import Path

import pytest

from triptych.recipes import read_recipe
from triptych.recipes.staged import run
from triptych.train.record import read_record

RECIPE = """\
summary: a try
model: {type: FreshModel, architecture: llava_debug}
stages:
  - name: align
    train:
      {learning_rates: {connector: 1e-3}, epochs: 1, max_steps: 2, batch_size: 2, num_shown: 2}
    num_validated: 3
    data:
      shares:
        - source: {type: DrawnShapes, num_samples: 8}
    validation:
      shares:
        - source: {type: DrawnShapes, num_samples: 8, first: 500}
"""


@pytest.mark.usefixtures("one_thread")
def test_held_out_pictures_are_shown_and_the_forecast_is_held_against_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "try.yaml").write_text(RECIPE)
    recipe = read_recipe(tmp_path / "try.yaml")
    run(recipe, None, tmp_path / "run", resume=False)
    answered = [line["sample"] for line in read_record(tmp_path / "run/align/samples.jsonl")]
    assert len(answered) == 2
    assert all(re.fullmatch(r"shapes-0-50\d", each) for each in answered), answered
    said = capsys.readouterr().err
    told = re.search(r"foreseen \| happened: (.*)", said)
    assert told is not None, said
    pairs = dict(re.findall(r"([a-z][\w ]*?) ([\d.,]+ \| [\d.]+)(?:, |$)", told.group(1)))
    assert list(pairs) == ["steps", "tokens a step", "checkpoint GB", "memory GB"]
    assert pairs["steps"] == "2 | 2"
    foreseen, happened = map(float, pairs["checkpoint GB"].split(" | "))
    assert happened == pytest.approx(foreseen, rel=0.1)
