"""Pictures as text come back as they were."""

import numpy as np
from PIL import Image

from triptych.media import as_data_uri, open_image

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_a_picture_comes_back_without_any_loss():
    uri = as_data_uri(Image.fromarray(NOISE))
    assert uri.startswith("data:image/png;base64,")
    assert (np.asarray(open_image(uri).rgb) == NOISE).all()


def test_a_picture_that_would_be_too_large_loses_a_little():
    picture = Image.linear_gradient("L").convert("RGB")
    uri = as_data_uri(picture, largest_png=10)
    assert uri.startswith("data:image/jpeg;base64,")
    back = np.asarray(open_image(uri).rgb).astype(int)
    assert abs(back - np.asarray(picture)).max() <= 3
