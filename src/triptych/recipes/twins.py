"""Debug twins of published stagings: the same stages on a tiny model, on the CPU in seconds.

    published     ViT-L/14, Vicuna 7B    align: connector 1e-3     tune: connector, language 2e-5
    twin          all panels tiny        grow   align   tune       on drawn colours

Which panels move, how their rates relate, objectives, schedule, decay and clipping are those of the
published stages; sizes, steps and data are not. Published stages begin with panels that can see and
speak, and with a connector that knows nothing. So a twin has a stage before them in which all its
panels grow together, and what stands between vision and language begins anew after it.
"""

from dataclasses import asdict, replace

from triptych.data.drawn import DrawnShapes
from triptych.data.mixture import MixtureConfig, Share
from triptych.errors import ConfigError
from triptych.recipes.beginning import resolve
from triptych.recipes.stages import FreshModel, Panel, Stage, StagedRecipe
from triptych.train import PanelRates, TrainConfig

BETWEEN: tuple[Panel, ...] = ("connector", "fusion")
"""Panels that published stagings begin anew."""

SUFFIX = "_debug"
"""Behind the name of a recipe: its twin."""

NUM_STEPS = 30
BATCH_SIZE = 4
PEAK = 3e-3
"""Learning rate of the fastest panel; tiny models from scratch bear it."""
NUM_GROWING = 120
"""Steps of the stage before the published ones."""

GROWING = TrainConfig(
    learning_rates=PanelRates(vision=PEAK, connector=PEAK, fusion=PEAK, language=PEAK),
    epochs=1,
    batch_size=BATCH_SIZE,
    warmup_steps=4,
    validate_every=NUM_GROWING,
)
"""The stage before the published ones."""


def twin_of(recipe: StagedRecipe) -> StagedRecipe:
    """The debug twin of a recipe.

    Raises:
        ConfigError: it names none.
        UnknownNameError: it names an architecture that does not exist.
    """
    if not recipe.twin:
        raise ConfigError("the recipe has no debug twin; name an architecture under twin")
    max_tokens = resolve(recipe.twin).processor.max_tokens
    growing = Stage(
        name="grow", train=GROWING, data=_colours(0, NUM_GROWING), validation=_colours(-1, 4)
    )
    return StagedRecipe(
        summary=f"debug twin of: {recipe.summary}",
        paper=recipe.paper,
        model=FreshModel(architecture=recipe.twin),
        stages=(
            growing,
            *(
                _twin_stage(stage, number, max_tokens)
                for number, stage in enumerate(recipe.stages, start=1)
            ),
        ),
    )


def _twin_stage(stage: Stage, number: int, max_tokens: int) -> Stage:
    train = stage.train
    rates = asdict(train.learning_rates)
    factor = PEAK / max(rates.values())
    return replace(
        stage,
        train=replace(
            train,
            learning_rates=PanelRates(**{name: rate * factor for name, rate in rates.items()}),
            epochs=1,
            batch_size=BATCH_SIZE,
            accumulate=1,
            max_steps=NUM_STEPS,
            pack_tokens=max_tokens if train.pack_tokens else 0,
            precision="float32",
            warmup_steps=4,
            decay_steps=min(train.decay_steps, NUM_STEPS // 4),
            ema_decay=min(train.ema_decay, 0.9),
            validate_every=NUM_STEPS,
            num_workers=0,
        ),
        data=_colours(number),
        fresh=tuple(panel for panel in BETWEEN if number == 1 and rates[panel]),
        validation=_colours(-1, 4),
    )


def _colours(place: int, num_steps: int = NUM_STEPS) -> MixtureConfig:
    """Pictures for so many steps; those of different places are different."""
    shapes = DrawnShapes(
        content="colours", num_samples=num_steps * BATCH_SIZE, first=10_000 * (place + 1)
    )
    return MixtureConfig(shares=(Share(source=shapes),))
