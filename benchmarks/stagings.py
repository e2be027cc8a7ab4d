"""What every published staging's debug twin learns, stage by stage, each on one core.

    python benchmarks/stagings.py [--only llava qwen_vl] [--questions 400] [--jobs 2] [--keep]

Each twin grows its panels together, begins anew what its paper begins anew, and goes through the
published stages. Before the first of them and behind each the model is asked questions about drawn
scenes that it was never trained on (colour, shape, whether there is something; one a picture) and
judged as everywhere.

BLIP-2's first stage trains no model that answers, and behind it the connector's way to the language
panel is fresh. So it has probes of its own, measured for each of its objectives alone and for all
together, from the same grown vision panel:

    R@1         of 14 texts the one that belongs to a picture is nearest          chance 7 %
    matching    its own text is said to match better than a nearly right one      chance 50 %
    caption     loss of a token of the caption, in nats
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from copy import deepcopy
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from recording import add_options, record, table

from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.scorers import LoadedScorer, import_scorer
from triptych.data.worlds.plain_scenes import KINDS, draw_plain_scene, plain_caption
from triptych.data.worlds.question import Question
from triptych.data.worlds.samples import encode_drawing, prompt
from triptych.data.worlds.world import Drawing
from triptych.evaluate.answers import Said, judge
from triptych.evaluate.worlds import prior_score
from triptych.fusion.matching import Matcher
from triptych.generate import GenerationOptions, generate
from triptych.objectives.mixture import PAIR_OBJECTIVES, PairObjectives
from triptych.recipes import STAGINGS, read_recipe
from triptych.recipes.beginning import begin
from triptych.recipes.comparing import begin_anew, begin_matcher
from triptych.recipes.staged import MATCHER, moving, run_stage
from triptych.recipes.stages import Stage
from triptych.recipes.twins import twin_of

HELD_OUT = 1_000_000
"""Number of the first scene that is asked about; no stage gets so far."""
BATCH = 40


def main() -> None:
    parser = argparse.ArgumentParser()
    names = sorted(path.stem for path in STAGINGS.glob("*.yaml"))
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1, help="twins that are trained at a time")
    add_options(parser)
    given = parser.parse_args()
    fresh = get_context("spawn")
    with ProcessPoolExecutor(given.jobs, mp_context=fresh) as pool:
        running = {name: pool.submit(climb, name, given.questions) for name in given.only}
        for done in as_completed(running.values()):
            print(done.result(), file=sys.stderr, flush=True)
    figures = {name: each.result() for name, each in running.items()}
    prior = prior_score([question for _, question in asked(given.questions)])
    text = f"{show(figures)}\n\nThe commonest answers are right to {prior:.1%} of the questions."
    record(given, "stagings", {"twins": figures, "prior": prior}, text)


# -- one staging ----------------------------------------------------------------------------------


def climb(name: str, num_questions: int) -> dict[str, Any]:
    """Run the stages of a twin on one core, with scores."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return climb_in(Path(folder), name, num_questions)


def climb_in(folder: Path, name: str, num_questions: int) -> dict[str, Any]:
    """Run the stages of a twin, with a score before the first published one and behind each."""
    recipe, started = twin_of(read_recipe(STAGINGS / f"{name}.yaml")), time.process_time()
    loaded, found = begin(recipe.model, name), dict[str, Any]()
    stages: list[dict[str, Any]] = []
    grow, first, *_ = recipe.stages
    for stage in recipe.stages:
        if stage is first:
            begin_anew(stage.fresh, loaded, stage.train.seed)
            found["score before"] = share_right(loaded, num_questions)
        if stage.matcher is not None:
            found["objectives"] = compare_objectives(stage, loaded, folder, num_questions)
        begun = time.process_time()
        told = run_stage(stage, loaded, Path(), folder / stage.name, resume=False)
        stages.append(
            {
                "stage": stage.name,
                "trains": moving(stage.train),
                "loss before": told["val_loss before"],
                "loss": told["val_loss"],
                "score": share_right(loaded, num_questions),
                "cpu_s": time.process_time() - begun,
            }
        )
    assert grow.name == stages[0]["stage"]
    return {**found, "stages": stages, "cpu_s": time.process_time() - started}


def asked(num_questions: int) -> list[tuple[Drawing, Question]]:
    """Held-out scenes, each with one of its four questions."""
    drawn = [draw_plain_scene(HELD_OUT + number) for number in range(num_questions)]
    return [(each.drawing, each.questions[index % 4]) for index, each in enumerate(drawn)]


def share_right(loaded: LoadedModel, num_questions: int) -> float:
    """Share of questions about held-out scenes that are answered rightly."""
    items = asked(num_questions)
    scores: list[float] = []
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        samples = [
            loaded.processor.encode(
                prompt(drawing, question.text),
                add_generation_prompt=True,
                features=encode_drawing(loaded.processor, drawing),
            )
            for drawing, question in batch
        ]
        options = GenerationOptions(max_new_tokens=12)
        said = generate(loaded.model.eval(), loaded.processor, samples, options)
        scores += [
            judge(question.truth, Said(done.text.strip())).score
            for (_, question), done in zip(batch, said, strict=True)
        ]
    return sum(scores) / len(scores)


# -- objectives of a matcher ----------------------------------------------------------------------


def compare_objectives(
    stage: Stage, loaded: LoadedModel, folder: Path, num_pictures: int
) -> dict[str, dict[str, float]]:
    """Probes of a matcher before it is trained, and after it was by each objective and by all."""
    assert stage.matcher is not None
    fresh = begin_matcher(stage.matcher, loaded, stage.train.seed)
    found = {"before": probe(fresh, num_pictures)}
    mixed = stage.train.objectives
    assert isinstance(mixed, PairObjectives)
    for name in (*PAIR_OBJECTIVES, "all"):
        weights = {each: float(name in (each, "all")) for each in PAIR_OBJECTIVES}
        objectives = replace(mixed, **weights)
        own = replace(stage, train=replace(stage.train, objectives=objectives))
        copied = replace(loaded, model=deepcopy(loaded.model))
        told = run_stage(own, copied, Path(), folder / f"only-{name}", resume=False)
        trained = import_scorer(folder / f"only-{name}" / MATCHER)
        found[name] = probe(trained, num_pictures)
        if "val_captioning" in told:
            found[name]["caption"] = float(str(told["val_captioning"]))
            found["before"]["caption"] = float(str(told["val_captioning before"]))
    return found


@torch.no_grad()
def probe(scorer: LoadedScorer, num_pictures: int) -> dict[str, float]:
    """How often the right text is nearest, and how often it matches better than a near one."""
    matcher, processor = scorer.model.eval(), scorer.processor
    assert isinstance(matcher, Matcher)
    drawn = [draw_plain_scene(HELD_OUT + number) for number in range(num_pictures)]
    features = matcher.vision(
        processor.encode_pictures([each.drawing.pictures[0] for each in drawn])
    )
    texts = [f"a {colour} {shape}" for colour, shape in KINDS]
    own = [plain_caption(each) for each in drawn]
    near = [each.questions[3].text.removeprefix("is there ").rstrip("?") for each in drawn]
    vectors = matcher.embed_texts(*processor.encode_texts(texts))
    nearest = (matcher.embed_features(features) @ vectors.T).amax(dim=1).argmax(dim=1)
    found = [texts[int(index)] == text for index, text in zip(nearest, own, strict=True)]
    matches = [
        matcher.match_logits(features, *processor.encode_texts(said)).softmax(dim=1)[:, 1]
        for said in (own, near)
    ]
    better = matches[0] > matches[1]
    return {"R@1": sum(found) / len(found), "matching": float(better.float().mean())}


# -- tables ---------------------------------------------------------------------------------------


def show(figures: dict[str, Any]) -> str:
    """The tables."""
    header = ("staging", "stage", "trains", "loss before", "loss", "right before", "right", "CPU s")
    rows = [row for name, found in figures.items() for row in _rows(name, found)]
    parts = [table(header, rows)]
    for name, found in figures.items():
        if "objectives" in found:
            parts += [f"Probes of {name}'s first stage:", _objectives(found["objectives"])]
    return "\n\n".join(parts)


def _rows(name: str, found: dict[str, Any]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    score: float | None = None
    for number, stage in enumerate(found["stages"]):
        score = found["score before"] if number == 1 else score
        rows.append(
            (
                name if number == 0 else "",
                stage["stage"],
                ", ".join(stage["trains"]),
                f"{stage['loss before']:.3f}",
                f"{stage['loss']:.3f}",
                _percent(score),
                _percent(stage["score"]),
                f"{stage['cpu_s']:.0f}",
            )
        )
        score = stage["score"]
    return rows


def _percent(score: float | None) -> str:
    return "" if score is None else f"{score:.1%}"


def _objectives(found: dict[str, dict[str, float]]) -> str:
    rows = [
        (
            name,
            f"{told['R@1']:.1%}",
            f"{told['matching']:.1%}",
            f"{told['caption']:.3f}" if "caption" in told else "",
        )
        for name, told in found.items()
    ]
    return table(("trained by", "R@1", "matching", "caption loss"), rows)


if __name__ == "__main__":
    main()
