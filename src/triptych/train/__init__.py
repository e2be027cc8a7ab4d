"""Training: one loop, exact resume, features of frozen panels made once."""

from triptych.train.config import PanelRates, TrainConfig
from triptych.train.features import FeatureStore, build_features, flipped, unchanged
from triptych.train.loop import Interrupted, Rewrite, SampleSource, Validate, fit
from triptych.train.self_critical import SelfCritical, SelfCriticalConfig

__all__ = [
    "FeatureStore",
    "Interrupted",
    "PanelRates",
    "Rewrite",
    "SampleSource",
    "SelfCritical",
    "SelfCriticalConfig",
    "TrainConfig",
    "Validate",
    "build_features",
    "fit",
    "flipped",
    "unchanged",
]
