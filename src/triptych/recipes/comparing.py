"""A stage that compares pictures with texts: a matcher is trained, and the model gets its Q-Former.

    model     vision   connector                              language
                |          ^
                |          | queries and all layers, without the text side
    matcher   vision   Q-Former with text side   heads

The vision panel is one and the same. BLIP-2's first stage: https://arxiv.org/abs/2301.12597
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from torch import nn

from triptych.architectures import SCORERS, debug_tokenizer
from triptych.architectures.scorer import ScorerArchitecture
from triptych.checkpoint.files import load_state
from triptych.checkpoint.hub import model_folder
from triptych.checkpoint.model_folder import TOKENIZER, LoadedModel
from triptych.checkpoint.scorers import LoadedScorer
from triptych.errors import ConfigError, UnknownNameError
from triptych.fusion.matching import Matcher, MatcherConfig
from triptych.fusion.vlm import VLMConfig
from triptych.pairs import PairProcessor, PairProcessorConfig
from triptych.recipes.beginning import DEBUG
from triptych.recipes.stages import FreshMatcher, Panel
from triptych.text import Tokenizer
from triptych.vision import ViT


def resolve_matcher(architecture: str | ScorerArchitecture) -> ScorerArchitecture:
    """A matcher by its name, or itself, with what its training needs.

    Raises:
        UnknownNameError: there is none of that name.
        ConfigError: it has no Q-Former.
    """
    if isinstance(architecture, str):
        if architecture not in SCORERS:
            raise UnknownNameError("matcher", architecture, SCORERS)
        architecture = SCORERS[architecture]()
    config = architecture.model
    if not isinstance(config, MatcherConfig):
        raise ConfigError(
            f"{architecture.name} has no Q-Former that could become a connector; take a matcher, "
            "like blip2_itm"
        )
    return replace(architecture, model=replace(config, pretraining=True))


def check_fits(matcher: ScorerArchitecture, model: VLMConfig, name: str) -> None:
    """Refuse a matcher whose vision panel or Q-Former is another than that of the model `name`.

    Raises:
        ConfigError: it is.
    """
    config = matcher.model
    assert isinstance(config, MatcherConfig)
    if config.vision != model.vision:
        raise ConfigError(
            f"the matcher {matcher.name} reads another vision panel than that of {name}; give it "
            "the same configuration"
        )
    if replace(config.connector, text=None) != model.connector:
        raise ConfigError(
            f"the Q-Former of {matcher.name} is another than the connector of {name}; give both "
            "the same queries, widths and layers"
        )


def begin_matcher(config: FreshMatcher, loaded: LoadedModel, seed: int) -> LoadedScorer:
    """A matcher with fresh weights, which depend on the seed alone, around the model's own vision
    panel.

    Raises:
        UnknownNameError, CheckpointError: there is no such architecture or tokenizer.
        ConfigError: it does not fit the model, or has no tokenizer.
    """
    design = resolve_matcher(config.architecture)
    check_fits(design, loaded.architecture.model, loaded.architecture.name)
    matcher = design.build(seed + 1)  # others than a model of that seed had at first
    vision = loaded.model.vision
    assert isinstance(matcher, Matcher) and isinstance(vision, ViT)
    matcher.vision = vision
    return LoadedScorer(design, matcher, pair_processor(config, design))


def pair_processor(config: FreshMatcher, design: ScorerArchitecture) -> PairProcessor:
    """What the texts and pictures of a matcher go through.

    Raises:
        CheckpointError: its tokenizer cannot be read.
        ConfigError: it has none.
    """
    return PairProcessor(design.processor, design.model, _tokenizer(config, design))


def _tokenizer(config: FreshMatcher, design: ScorerArchitecture) -> Tokenizer:
    if config.tokenizer:
        folder = model_folder(config.tokenizer, weights=False)
        return Tokenizer.from_file(folder / TOKENIZER)
    if not design.name.endswith(DEBUG):
        raise ConfigError(
            f"{design.name} has no tokenizer; name a model that has its with matcher.tokenizer"
        )
    return debug_tokenizer(pair_special_tokens(design.processor))


def pair_special_tokens(config: PairProcessorConfig) -> tuple[str, ...]:
    """Every special token that a debug twin of a matcher reads."""
    needed = (*config.begin_tokens, *config.end_tokens, config.pad_token)
    return tuple(dict.fromkeys(needed))


def begin_anew(panels: Sequence[Panel], loaded: LoadedModel, seed: int) -> None:
    """Give some panels of a model fresh weights, which depend on the seed alone."""
    if panels:
        other = loaded.architecture.build(seed + 1)  # others than a model of that seed had at first
        for panel in panels:
            fresh = cast(nn.Module, getattr(other, panel))
            cast(nn.Module, getattr(loaded.model, panel)).load_state_dict(fresh.state_dict())


def hand_over(matcher: Matcher, loaded: LoadedModel, seed: int) -> None:
    """Give a model's connector what the Q-Former of a matcher has learned; its way to the language
    panel begins anew."""
    begin_anew(("connector",), loaded, seed)
    connector = cast(nn.Module, loaded.model.connector)
    own = connector.state_dict()
    learned = {
        name: tensor
        for name, tensor in matcher.connector.state_dict().items()
        if name in own and not name.startswith("language_projection.")
    }
    load_state(connector, own | learned, "the matcher's Q-Former")


def as_scorer(scorer: LoadedScorer) -> LoadedScorer:
    """A trained matcher without what only its training needs, as it is published."""
    assert isinstance(scorer.model, Matcher)
    model = scorer.model.without_pretraining()
    design = replace(scorer.architecture, model=model.config)
    return LoadedScorer(design, model.eval(), scorer.processor)
