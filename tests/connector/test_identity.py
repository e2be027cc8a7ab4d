"""What is particular to the connectors that map each patch by itself."""

import pytest
import torch

from triptych.connector import IdentityConfig, LinearConfig, MLPConfig
from triptych.errors import ConfigError
from triptych.shapes import Grid, VisionFeatures


def test_identity_hands_features_on_class_token_first():
    cells = torch.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    connector = IdentityConfig().build(vision_dim=1, language_dim=1)
    tokens = connector(VisionFeatures(cells, torch.zeros(1, 1, 1)))
    assert tokens[0, :, 0].tolist() == [0, 1, 2, 3, 4]


def test_identity_between_different_widths_is_refused():
    with pytest.raises(ConfigError, match="vision has 6 and language 10; choose a linear"):
        IdentityConfig().build(vision_dim=6, language_dim=10)


@pytest.mark.parametrize("config", [LinearConfig(), MLPConfig(), MLPConfig(norm=True)], ids=repr)
def test_each_patch_is_mapped_by_itself(config: LinearConfig | MLPConfig):
    torch.manual_seed(0)
    connector = config.build(vision_dim=6, language_dim=10)
    cells, prefix = torch.randn(1, 3, 4, 6), torch.randn(1, 1, 6)
    changed = cells.clone()
    changed[0, 1, 2] += 1  # position 1 + (1 * 4 + 2) with the class token in front
    before = connector(VisionFeatures(cells, prefix))
    after = connector(VisionFeatures(changed, prefix))
    assert (before != after).any(dim=-1)[0].nonzero().flatten().tolist() == [7]


def test_linear_has_an_offset_unless_told_otherwise():
    names = [
        [name for name, _ in config.build(vision_dim=2, language_dim=3).named_parameters()]
        for config in (LinearConfig(), LinearConfig(bias=False))
    ]
    assert names == [["projection.weight", "projection.bias"], ["projection.weight"]]


def test_the_token_grid_keeps_the_class_token():
    assert LinearConfig().token_grid(Grid(14, 14, prefix=1)) == Grid(14, 14, prefix=1)
