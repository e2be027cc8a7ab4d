"""One question about pictures, stage by stage, each timed and counted.

    file -> open -> resize -> prompt -> vision -> connector -> prefill -> decode, token by token

    open        a file becomes pixels, safely
    resize      the model's own size, tiles and colour scale
    prompt      text becomes token ids, with room for the pictures
    vision      pixels become features
    connector   features become visual tokens
    prefill     the language panel reads all of it and says how likely each first token is
    decode      one more token

All stages run once for warmth, while the memory is watched, and then several times one after the
other, so that a machine that is busy for a while is so for all of them. A stage's time is the
median of its times. After each run the engine answers the same question in its own way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import UsageError
from triptych.measure.request import Request, Run, Served
from triptych.measure.work import NOTHING, Work, Workload

STAGES = ("open", "resize", "prompt", "vision", "connector", "prefill", "decode")
"""In order; a question without pictures has only some of them."""

QUESTION = "What is in the picture?"
"""Asked where nothing else is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage took; `decode` is one token."""

    name: str
    times_ms: tuple[float, ...]
    """Of every repetition."""
    amount: int
    """How many of `unit` went in."""
    unit: str
    work: Work
    """Nothing where it is not counted: opening, resizing and writing the prompt."""
    peak_memory_bytes: int
    """Most that was resident while it ran."""

    @property
    def ms(self) -> float:
        """The median."""
        return median(self.times_ms)

    @property
    def per_second(self) -> float:
        """Units a second."""
        return self.amount * 1e3 / self.ms

    @property
    def operations_per_second(self) -> float:
        return self.work.total * 1e3 / self.ms

    @property
    def bytes_per_second(self) -> float:
        return self.work.num_bytes * 1e3 / self.ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """All stages of one request."""

    stages: tuple[Stage, ...]
    num_pictures: int
    """Clips among them."""
    num_visual: int
    """Visual tokens of all of them."""
    num_prompt_tokens: int
    num_new_tokens: int
    """Tokens decoded, each in a step of its own; the first of an answer comes of the prefill."""
    cache_bytes: int
    """Key-value cache, reserved for prompt and answer."""
    served: tuple[Served, ...]
    """The same question put to the engine, once after each run; nothing was kept from before.
    Empty where it was not asked."""

    def __getitem__(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def served_first_ms(self) -> float:
        """From the files to the first token, by the engine; the median."""
        return median(each.first_s for each in self.served) * 1e3

    @property
    def served_step_ms(self) -> float | None:
        """A further token, by the engine; None where the answer ended with the first."""
        steps = [each.step_s for each in self.served if each.step_s is not None]
        return median(steps) * 1e3 if steps else None

    @property
    def first_token_ms(self) -> float:
        """From the file to the first token of the answer."""
        return sum(stage.ms for stage in self.stages if stage.name != "decode")

    @property
    def answer_ms(self) -> float:
        """From the file to the last token."""
        return self.first_token_ms + self.num_new_tokens * self["decode"].ms


def measure_stages(
    loaded: LoadedModel,
    pictures: Sequence[object],
    question: str = QUESTION,
    *,
    clips: Sequence[object] = (),
    num_new_tokens: int = 16,
    repeats: int = 5,
    asks_engine: bool = True,
    progress: Callable[[str], object] | None = None,
) -> Stages:
    """Run a question about pictures and clips stage by stage.

    Args:
        loaded: What is measured.
        pictures: Paths, bytes, arrays or pictures; none for a question alone.
        question: What is asked.
        clips: Likewise, shown behind the pictures.
        num_new_tokens: Tokens decoded after the first, which the prefill gives.
        repeats: How often, besides once for warmth.
        asks_engine: Whether the engine answers it, too.
        progress: Told what is being done.

    Raises:
        UsageError: a number is below 1.
        MediaError: a picture or a clip cannot be opened.
        TokenError: the prompt is longer than the model takes, or the model takes no clips.
        CapacityError: it does not fit into what the engine may take.
    """
    if num_new_tokens < 1 or repeats < 1:
        raise UsageError(
            f"{num_new_tokens} new tokens in {repeats} runs measure nothing; take at least 1 of "
            "each"
        )
    say = progress or str
    request = Request(loaded, pictures, clips, question, num_new_tokens)
    say("run for warmth")
    warm = request.run(watches_memory=True)
    if asks_engine:
        request.serve()
    runs: list[Run] = []
    served: list[Served] = []
    for index in range(repeats):
        say(f"run {index + 1} of {repeats}")
        runs.append(request.run())
        if asks_engine:
            served.append(request.serve())
    work = count(Workload(loaded.model), warm, num_new_tokens)
    amounts = _amounts(loaded, warm)
    return Stages(
        stages=tuple(
            Stage(
                name=name,
                times_ms=tuple(_ms(run, name, num_new_tokens) for run in runs),
                amount=amounts[name][0],
                unit=amounts[name][1],
                work=work.get(name, NOTHING),
                peak_memory_bytes=warm.clock.memory[name],
            )
            for name in STAGES
            if name in warm.clock.seconds
        ),
        num_pictures=warm.prompt.num_pictures,
        num_visual=warm.prompt.num_visual,
        num_prompt_tokens=warm.prompt.num_tokens,
        num_new_tokens=num_new_tokens,
        cache_bytes=warm.cache_bytes,
        served=tuple(served),
    )


def count(workload: Workload, run: Run, num_new_tokens: int) -> dict[str, Work]:
    """Work of the stages that compute; that of a decoded token is the one in the middle."""
    vision, connector = workload.seeing(run.shapes)
    middle = run.prompt.num_tokens + (num_new_tokens - 1) // 2
    return {
        "vision": vision,
        "connector": connector,
        "prefill": workload.reading(run.prompt),
        "decode": workload.stepping(run.prompt, middle),
    }


def _ms(run: Run, name: str, num_new_tokens: int) -> float:
    return run.clock.seconds[name] * 1e3 / (num_new_tokens if name == "decode" else 1)


def _amounts(loaded: LoadedModel, run: Run) -> dict[str, tuple[int, str]]:
    """What goes into each stage, and in which unit."""
    config = loaded.model.config
    grids = [(shape[0], config.patch_grid(*shape[-2:])) for shape in run.shapes]
    num_patches = sum(number * grid.rows * grid.cols for number, grid in grids)
    return {
        "open": (run.num_pixels, "pixels"),
        "resize": (run.num_pixels, "pixels"),
        "prompt": (run.prompt.num_tokens, "tokens"),
        "vision": (num_patches, "patches"),
        "connector": (num_patches, "patches"),
        "prefill": (run.prompt.num_tokens, "tokens"),
        "decode": (1, "tokens"),
    }
