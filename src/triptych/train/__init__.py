"""Training: one loop, exact resume, features of frozen panels made once."""

from triptych.train.config import PanelRates, TrainConfig
from triptych.train.features import FeatureStore, build_features, flipped, unchanged
from triptych.train.loop import Interrupted, SampleSource, Validate, fit

__all__ = [
    "FeatureStore",
    "Interrupted",
    "PanelRates",
    "SampleSource",
    "TrainConfig",
    "Validate",
    "build_features",
    "fit",
    "flipped",
    "unchanged",
]
