"""Ask the embedded model about the pictures beside this file.

    python examples/demo.py [--out FOLDER]

Prints every answer beside the truth, and draws boxes and points into one sheet. The pictures are
drawn ones that the model was never trained on; `triptych draw` makes more of them.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

import triptych
from triptych.evaluate.answers import field_f1, plain
from triptych.geometry import Box, Point
from triptych.media import SheetLine, SheetRow, draw_boxes, draw_points, open_clip, sheet

HERE = Path(__file__).parent


@dataclass
class Asked:
    """One question, what the model said, and whether it is right."""

    picture: str
    question: str
    answer: str
    truth: str
    is_right: bool
    shown: Image.Image


def main() -> None:
    """Ask everything, print a line each, write the sheet."""
    parser = argparse.ArgumentParser(description="Ask the embedded model about example pictures.")
    parser.add_argument("--out", type=Path, default=Path("demo"))
    out = parser.parse_args().out
    started = time.monotonic()
    assistant = triptych.load("mini")
    questions = json.loads((HERE / "questions.json").read_text(encoding="utf-8"))
    asked = []
    for question in questions:
        asked.append(ask(assistant, question))
        print_line(asked[-1])
    right = sum(each.is_right for each in asked)
    print(f"\n{right} of {len(asked)} right in {time.monotonic() - started:.1f} s")
    out.mkdir(parents=True, exist_ok=True)
    rows = [
        SheetRow(
            each.shown,
            (
                SheetLine("asked", each.question),
                SheetLine("answer", each.answer),
                SheetLine("truth", each.truth),
            ),
        )
        for each in asked
    ]
    sheet(rows, "The embedded model on pictures it has never seen").save(out / "sheet.png")
    print(f"sheet: {out / 'sheet.png'}")


def ask(assistant: triptych.Assistant, question: dict[str, Any]) -> Asked:
    """Put one question by the task it names."""
    path = HERE / question["picture"]
    task, text, truth = question["task"], question.get("text", "as JSON"), question["truth"]
    if task == "watch":
        answer = assistant.watch(path, text).text
        frames = open_clip(path).frames
        return Asked(path.name, text, answer, truth, plain(answer) == truth, frames[-1])
    shown = Image.open(path).convert("RGB")
    if task == "ask":
        answer = assistant.ask([path], text).text
        return Asked(path.name, text, answer, truth, plain(answer) == truth, shown)
    if task == "read":
        reading = assistant.read(path)
        is_right = reading.is_json and field_f1(reading.value, truth) == 1.0
        wanted = json.dumps(truth, separators=(",", ":"))
        return Asked(path.name, "read it as JSON", reading.text, wanted, is_right, shown)
    box = Box(*truth)
    if task == "locate":
        found = [each.place for each in assistant.locate(path, text)]
        boxes = [place for place in found if isinstance(place, Box)]
        is_right = bool(boxes) and boxes[0].iou(box) >= 0.5
        shown = draw_boxes(shown, [(each, text) for each in boxes])
        return Asked(path.name, f"locate {text}", _rounded(boxes), _rounded([box]), is_right, shown)
    prompt = {"prompt": question["prompt"]} if "prompt" in question else {}
    places = [each.place for each in assistant.point(path, text, **prompt)]
    points = [place for place in places if isinstance(place, Point)]
    is_right = bool(points) and box.contains(points[0])
    shown = draw_points(shown, [(each, text) for each in points])
    truth_text = f"inside {_rounded([box])}"
    return Asked(path.name, f"point at {text}", _rounded(points), truth_text, is_right, shown)


def print_line(asked: Asked) -> None:
    """One line: picture, question, answer, truth."""
    mark = "right" if asked.is_right else "WRONG"
    print(f"{mark}  {asked.picture:12} {asked.question}")
    print(f"       {asked.answer}  (truth: {asked.truth})")


def _rounded(places: list[Box] | list[Point]) -> str:
    numbers = [
        (place.left, place.top, place.right, place.bottom)
        if isinstance(place, Box)
        else (place.x, place.y)
        for place in places
    ]
    return " ".join(f"({', '.join(f'{n:.0f}' for n in each)})" for each in numbers) or "nothing"


if __name__ == "__main__":
    main()
