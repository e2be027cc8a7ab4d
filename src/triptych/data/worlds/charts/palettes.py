"""Colours of charts."""

from dataclasses import dataclass

from triptych.data.worlds.lettering import Ink


@dataclass(frozen=True, slots=True)
class Theme:
    """What everything but the marks is drawn in."""

    paper: Ink
    ink: Ink
    grid: Ink


THEME_COLOURS = {
    "white": Theme((255, 255, 255), (30, 30, 34), (214, 214, 218)),
    "cream": Theme((252, 246, 230), (52, 40, 28), (222, 212, 190)),
    "mist": Theme((236, 240, 246), (26, 34, 52), (204, 212, 224)),
    "mint": Theme((238, 248, 240), (20, 44, 34), (206, 224, 212)),
    "rose": Theme((252, 240, 240), (60, 24, 34), (226, 206, 208)),
    "night": Theme((28, 32, 44), (236, 238, 242), (66, 72, 90)),
}
"""By the names in `chart_facts.THEMES`."""

PALETTE_COLOURS: dict[str, tuple[Ink, ...]] = {
    "plain": (
        (52, 110, 196), (234, 128, 40), (52, 160, 84), (206, 60, 62),
        (140, 100, 190), (134, 92, 80),
    ),
    "deep": (
        (200, 50, 90), (40, 130, 170), (226, 170, 40), (96, 150, 60),
        (120, 80, 170), (230, 110, 60),
    ),
    "warm": (
        (214, 70, 50), (240, 172, 56), (150, 84, 60), (228, 120, 140),
        (170, 60, 110), (198, 140, 90),
    ),
    "cool": (
        (40, 120, 180), (70, 180, 160), (120, 110, 200), (90, 160, 220),
        (60, 140, 90), (190, 120, 200),
    ),
    "pastel": (
        (122, 164, 220), (244, 160, 128), (130, 196, 140), (214, 140, 200),
        (214, 196, 90), (150, 150, 160),
    ),
    "print": (
        (120, 120, 128), (210, 62, 54), (76, 150, 190), (228, 176, 60),
        (90, 160, 110), (164, 80, 150),
    ),
}  # fmt: skip
"""By the names in `chart_facts.PALETTES`; six colours that can be told apart on every theme."""
