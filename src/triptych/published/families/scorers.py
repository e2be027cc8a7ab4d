"""Every family of published models that compare pictures with texts."""

from collections.abc import Mapping
from typing import Any

from triptych.published.families.blip2_itm import BLIP2_ITM_FAMILY
from triptych.published.families.clip import CLIP_FAMILY
from triptych.published.families.siglip import SIGLIP_FAMILY
from triptych.published.scorer_family import PublishedScorer

SCORER_FAMILIES = (CLIP_FAMILY, SIGLIP_FAMILY, BLIP2_ITM_FAMILY)
"""Those that are read and written."""


def find_scorer_family(config: Mapping[str, Any]) -> PublishedScorer | None:
    """The family that a `config.json` belongs to; None where it is another kind of model."""
    for family in SCORER_FAMILIES:
        if config.get("model_type") in family.model_types and _is_class(config, family):
            return family
    return None


def _is_class(config: Mapping[str, Any], family: PublishedScorer) -> bool:
    """Models of one type may do several things; a file need not say which."""
    classes = config.get("architectures")
    return family.class_name in classes if classes else not family.needs_class_name
