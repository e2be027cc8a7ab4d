"""The names that the package promises exist, and are found where they are promised."""

import importlib
import pkgutil

import pytest

import triptych

PACKAGES = sorted(
    name
    for _, name, is_package in pkgutil.walk_packages(triptych.__path__, "triptych.")
    if is_package
)


def test_the_package_offers_exactly_its_public_names() -> None:
    verbs = ["ask", "caption", "chat", "locate", "point", "read", "watch"]
    others = ["Answer", "Assistant", "Scorer", "load", "load_scorer"]
    assert sorted(triptych.__all__) == sorted([*verbs, *others])
    for name in triptych.__all__:
        assert getattr(triptych, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        triptych.lode  # noqa: B018


def test_every_folder_of_the_design_is_there() -> None:
    assert len(PACKAGES) >= 15
    assert {"triptych.vision", "triptych.connector", "triptych.language"} <= set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_promised_name_of_a_folder_exists(name: str) -> None:
    module = importlib.import_module(name)
    names: list[str] = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    for each in names:
        assert hasattr(module, each), f"{name}.{each}"
