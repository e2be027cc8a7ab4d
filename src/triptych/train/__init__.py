"""Training: one loop, exact resume, features of frozen panels made once."""

from triptych.train.config import PanelRates, TrainConfig
from triptych.train.ending import Interrupted
from triptych.train.features import FeatureStore, build_features, flipped, unchanged
from triptych.train.loop import fit
from triptych.train.run import Rewrite, Validate
from triptych.train.self_critical import SelfCritical, SelfCriticalConfig
from triptych.train.source import Made, NotingSource, SampleSource
from triptych.train.workers import WorkerLostError

__all__ = [
    "FeatureStore",
    "Interrupted",
    "Made",
    "NotingSource",
    "PanelRates",
    "Rewrite",
    "SampleSource",
    "SelfCritical",
    "SelfCriticalConfig",
    "TrainConfig",
    "Validate",
    "WorkerLostError",
    "build_features",
    "fit",
    "flipped",
    "unchanged",
]
