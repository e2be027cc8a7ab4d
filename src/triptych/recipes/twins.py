"""Debug twins of published stagings: the same stages on a tiny model, on a CPU within a minute.

    published     ViT-L/14, Vicuna 7B    align: connector 1e-3     tune: connector, language 2e-5
    twin          all panels tiny        grow   align   tune       on drawn scenes

Which panels move, how their rates relate, objectives, schedule, decay and clipping are those of the
published stages; sizes, steps and data are not. Published stages begin with panels that can see and
speak, and with a connector that knows nothing. So a twin has a stage before them in which all its
panels grow together, and what stands between vision and language begins anew after it.
"""

from dataclasses import asdict, dataclass, replace

from triptych.architectures import Architecture
from triptych.data.drawn import DrawnShapes
from triptych.data.mixture import MixtureConfig, Share
from triptych.data.worlds.shape_samples import Content
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.objectives.mixture import Objectives, PairObjectives
from triptych.recipes.beginning import resolve
from triptych.recipes.stages import FreshMatcher, FreshModel, Panel, Stage, StagedRecipe
from triptych.train import PanelRates, TrainConfig

BETWEEN: tuple[Panel, ...] = ("connector", "fusion")
"""Panels that published stagings begin anew."""

SUFFIX = "_debug"
"""Behind the name of a recipe: its twin."""

PEAK = 3e-3
"""Learning rate of the fastest panel; tiny models from scratch bear it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lessons:
    """What a twin is taught, and for how long."""

    content: Content = "scenes"
    """What is drawn."""

    num_growing: int = 300
    """Steps of the stage before the published ones."""

    num_steps: int = 300
    """Steps of each published stage."""

    batch_size: int = 4
    """Samples of a step."""

    num_compared: int = 16
    """Pairs that a matcher compares, which are a step."""

    num_comparing: int = 600
    """Steps of a stage that compares; its texts are short."""

    def drawn(self, place: int, num_samples: int) -> MixtureConfig:
        """So many pictures; those of different places are different."""
        shapes = DrawnShapes(
            content=self.content, num_samples=num_samples, first=10_000 * (place + 1)
        )
        return MixtureConfig(shares=(Share(source=shapes),))

    @property
    def held_out(self) -> MixtureConfig:
        """Pictures that no stage is trained on."""
        return self.drawn(-1, 64)


def twin_of(recipe: StagedRecipe, lessons: Lessons = Lessons()) -> StagedRecipe:
    """The debug twin of a recipe.

    Raises:
        ConfigError: it names none, or none for a matcher.
        UnknownNameError: it names an architecture that does not exist.
    """
    if not recipe.twin:
        raise ConfigError("the recipe has no debug twin; name an architecture under twin")
    design = resolve(recipe.twin)
    stages = enumerate(recipe.stages, start=1)
    return StagedRecipe(
        summary=f"debug twin of: {recipe.summary}",
        paper=recipe.paper,
        model=FreshModel(architecture=recipe.twin),
        stages=(
            _growing(design, lessons),
            *(_twin_stage(stage, number, design, lessons) for number, stage in stages),
        ),
    )


def _growing(design: Architecture, lessons: Lessons) -> Stage:
    """The stage before the published ones."""
    fusion = 0.0 if isinstance(design.model.fusion, SpliceConfig) else PEAK
    train = TrainConfig(
        learning_rates=PanelRates(vision=PEAK, connector=PEAK, fusion=fusion, language=PEAK),
        epochs=1,
        batch_size=lessons.batch_size,
        optimizer="muon",  # sees through plateaus on which AdamW stays at this size
        matrix_boost=6.0,
        warmup_steps=4,
        validate_every=lessons.num_growing,
    )
    data = lessons.drawn(0, lessons.num_growing * lessons.batch_size)
    return Stage(name="grow", train=train, data=data, validation=lessons.held_out)


def _twin_stage(stage: Stage, number: int, design: Architecture, lessons: Lessons) -> Stage:
    train, rates = stage.train, asdict(stage.train.learning_rates)
    num_steps, batch_size = lessons.num_steps, lessons.batch_size
    if stage.matcher is not None:
        num_steps, batch_size = lessons.num_comparing, lessons.num_compared
    factor = PEAK / max(rates.values())
    fresh = tuple(panel for panel in BETWEEN if number == 1 and rates[panel])
    return replace(
        stage,
        matcher=_twin_matcher(stage),
        train=replace(
            train,
            learning_rates=PanelRates(**{name: rate * factor for name, rate in rates.items()}),
            objectives=_twin_objectives(train.objectives),
            epochs=1,
            batch_size=batch_size,
            accumulate=1,
            max_steps=num_steps,
            pack_tokens=design.processor.max_tokens if train.pack_tokens else 0,
            precision="float32",
            warmup_steps=4,
            decay_steps=min(train.decay_steps, num_steps // 4),
            ema_decay=min(train.ema_decay, 0.9),
            validate_every=num_steps,
            num_workers=0,
        ),
        data=lessons.drawn(number, num_steps * batch_size),
        fresh=() if stage.matcher is not None else fresh,
        validation=lessons.held_out,
    )


def _twin_matcher(stage: Stage) -> FreshMatcher | None:
    if stage.matcher is None:
        return None
    if not stage.matcher.twin:
        raise ConfigError(
            f"the matcher of stage {stage.name} has no debug twin; name one under matcher.twin"
        )
    return FreshMatcher(architecture=stage.matcher.twin)


def _twin_objectives(objectives: Objectives | PairObjectives) -> Objectives | PairObjectives:
    """The same, but for a token that the twin's tokenizer does not have."""
    if isinstance(objectives, PairObjectives):
        return replace(objectives, begin_id=None)
    return objectives
