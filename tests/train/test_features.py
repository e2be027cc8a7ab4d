"""Features of pictures on disk say what the vision panel said, class token included."""

import pytest
import torch
from PIL import Image
from tests.laws.debug_models import picture, subject

from triptych.shapes import VisionFeatures
from triptych.train.features import build_features


@pytest.mark.parametrize("num_prefix", [0, 1, 3, 4])
def test_cells_and_prefix_come_back_from_rows(num_prefix):
    cells, prefix = torch.randn(2, 4, 3, 5), torch.randn(2, num_prefix, 5)
    rows = VisionFeatures(cells, prefix).as_rows()
    assert rows.shape[1] == 4 + -(-num_prefix // 3)
    back = VisionFeatures.from_rows(rows, num_prefix)
    assert torch.equal(back.cells, cells) and torch.equal(back.prefix, prefix)


@pytest.mark.parametrize("name", ["minivlm_debug", "llava_1_5_debug"])
def test_kept_features_are_those_of_the_panel(name, tmp_path):
    debug = subject(name)
    paths = {f"{number}": tmp_path / f"{number}.png" for number in range(3)}
    for number, path in enumerate(paths.values()):
        Image.fromarray(picture(number)).save(path)
    store = build_features(tmp_path, debug.model, debug.processor, paths, batch_size=2)
    for name, path in paths.items():
        image = debug.processor.encode_image(path)
        with torch.no_grad():
            made = debug.model.encode_images([image.pixels], [None])
            kept = debug.model.encode_images([store.read(name).pixels], [None], are_features=True)
        torch.testing.assert_close(kept, made, rtol=2e-3, atol=2e-3)
