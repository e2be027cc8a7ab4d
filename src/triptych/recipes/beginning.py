"""What a run in stages begins with: a model, its weights and its tokenizer."""

from torch import nn

from triptych.architectures import Architecture, debug_tokenizer, find_architecture
from triptych.checkpoint.building import build_from_parts
from triptych.checkpoint.files import load_state
from triptych.checkpoint.hub import model_folder
from triptych.checkpoint.layouts import open_model
from triptych.checkpoint.model_folder import TOKENIZER, LoadedModel
from triptych.errors import ConfigError
from triptych.fusion.vlm import PANELS, VLM
from triptych.processor import Processor, ProcessorConfig
from triptych.recipes.stages import Beginning, FinishedModel, FreshModel, JoinedModel
from triptych.text import (
    INTERNVL_SPECIALS,
    QWEN2_VL_SPECIALS,
    SMOLVLM_SPECIALS,
    Tokenizer,
)

DEBUG = "_debug"
"""How the names of debug architectures end."""


def begin(model: Beginning, name: str) -> LoadedModel:
    """The model that a run begins with; `name` is what a joined one is called.

    Raises:
        UnknownNameError: there is no such architecture or connector.
        ConfigError: its tokenizer is not named, or does not fit.
        CheckpointError: a part cannot be read, or a panel is of another kind or size.
    """
    match model:
        case FinishedModel():
            return open_model(model_folder(model.source))
        case JoinedModel():
            return build_from_parts(
                model.vision, model.connector, model.language, name=name, seed=model.seed
            )
        case FreshModel():
            return _fresh(model)


def _fresh(model: FreshModel) -> LoadedModel:
    design = resolve(model.architecture)
    sources = {name: each for name, each in _sources(model).items() if each}
    if not (model.tokenizer or model.panels.language or design.name.endswith(DEBUG)):
        raise ConfigError(
            f"{design.name} has no tokenizer; name a model that has its with tokenizer: NAME"
        )
    built, tokenizer = design.build(model.seed).eval(), None
    for source in dict.fromkeys(sources.values()):
        given = open_model(model_folder(source))  # once, however many panels are taken
        for panel in (name for name, each in sources.items() if each == source):
            state = _panel(given.model, panel).state_dict()
            load_state(_panel(built, panel), state, f"the {panel} of {source}")
        if source == model.panels.language:
            tokenizer = given.processor.tokenizer
    if model.tokenizer:
        tokenizer = Tokenizer.from_file(model_folder(model.tokenizer, weights=False) / TOKENIZER)
    tokenizer = tokenizer or debug_tokenizer(special_tokens(design.processor))
    return LoadedModel(design, built, Processor(design.processor, design.model, tokenizer))


def _sources(model: FreshModel) -> dict[str, str]:
    return {panel: getattr(model.panels, panel) for panel in PANELS}


def _panel(model: VLM, name: str) -> nn.Module:
    panel = getattr(model, name)
    assert isinstance(panel, nn.Module)
    return panel


def resolve(architecture: str | Architecture) -> Architecture:
    """An architecture by its name, or itself.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if isinstance(architecture, str):
        return find_architecture(architecture)
    return architecture


def special_tokens(config: ProcessorConfig) -> tuple[str, ...]:
    """Every special token that a debug twin of this kind reads and writes."""
    template = config.template
    places = () if config.coordinates is None else config.coordinates.special_tokens
    needed = (
        *(template.bos_token, template.image_token, template.video_token or ""),
        *(*template.end_tokens, *places),
    )
    for known in (QWEN2_VL_SPECIALS, SMOLVLM_SPECIALS, INTERNVL_SPECIALS):
        if set(needed) - {""} <= set(known):
            return known
    return tuple(dict.fromkeys(token for token in needed if token))
