"""The abilities of `mini` when people ask who never saw how it was taught.

python benchmarks/everyday_wordings.py --items 300

`everyday_wordings.json` holds questions written down by somebody who had read neither the wordings
of training nor those of the test. Those that happen to be worded as in training are left out here;
the others take the place of the test's own, on the test's pictures.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import cast

from triptych import load
from triptych.data.worlds.charts.wordings import CHART_PHRASES
from triptych.data.worlds.clips.questions import PHRASES as CLIPS
from triptych.data.worlds.documents.wordings import DOCUMENT_PHRASES
from triptych.data.worlds.rewording import plain, stands_for
from triptych.data.worlds.scenes.words import PHRASES as SCENES
from triptych.data.worlds.screens.wording import PHRASES as SCREENS
from triptych.data.worlds.signs.questions import PHRASES as SIGNS
from triptych.data.worlds.wording import Phrases
from triptych.evaluate.worlds import evaluate_rows, find_rows

ROWS = (
    *("existence, adversarial", "attribute", "count 1-6", "count 7-9", "spatial relation"),
    *("referring box", "referring point", "sign reading", "chart value", "receipt to JSON"),
    *("screen click", "clip direction", "clip order"),
)
"""Those that are asked in the wordings of the file."""


def is_new(wording: str, own: Phrases) -> bool:
    """Whether nobody asks so in training."""
    asked = plain(wording)
    return asked not in map(plain, own.seen) and not any(
        stands_for(way).fullmatch(asked) for way in own.more
    )


def slots(wording: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(wording) if name}


def take_over(wordings: Mapping[str, list[str]]) -> int:
    """Let the test ask in these wordings; how many are new."""
    count = 0
    for phrases in (SCENES, SIGNS, CHART_PHRASES, DOCUMENT_PHRASES, SCREENS, CLIPS):
        for kind, own in list(phrases.items()):
            known = slots(" ".join((*own.seen, *own.unseen)))  # two worlds ask about existence
            fitting = [each for each in wordings.get(kind, ()) if slots(each) <= known]
            new = tuple(each for each in fitting if is_new(each, own))
            if new:
                cast(dict[str, Phrases], phrases)[kind] = replace(own, unseen=new * 2)
                count += len(new)
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mini")
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--rows", default=";".join(ROWS), help="divided by semicolons")
    options = parser.parse_args()
    wordings = json.loads(Path(__file__).with_suffix(".json").read_text())
    total = sum(len(each) for each in wordings.values())
    print(f"{take_over(wordings)} of {total} wordings are new", file=sys.stderr)
    loaded = load(options.model)
    rows = find_rows(options.rows.split(";"))
    for found in evaluate_rows(loaded.model, loaded.processor, rows, options.items):
        print(f"{found.row.name:24} {found.score.mean:6.1%}", flush=True)


if __name__ == "__main__":
    main()
