"""The cache gives back what it was given, in place, for any rows and any number of tokens."""

import pytest
import torch

from triptych.errors import ShapeError
from triptych.nn.cache import KVCache, LayerCache


def new_layer(batch=2, max_tokens=6):
    return LayerCache(batch, 1, 2, max_tokens, torch.float32)


def tokens(*values, batch=2):
    """One key a value, two channels wide; row b holds value + 100 b."""
    column = torch.tensor(values, dtype=torch.float32)
    rows = torch.stack([column + 100 * row for row in range(batch)])
    return rows[:, None, :, None].expand(batch, 1, -1, 2)


def new_cache(batch=2, max_tokens=6, num_layers=2):
    return KVCache.allocate(num_layers, batch, 1, 2, max_tokens, torch.float32)


def read(cache, *values, batch=2):
    for layer in cache.layers:
        layer.append(tokens(*values, batch=batch), -tokens(*values, batch=batch))


def test_all_tokens_come_back_in_order():
    layer = new_layer()
    layer.append(tokens(1, 2, 3), -tokens(1, 2, 3))
    keys, values = layer.append(tokens(4), -tokens(4))
    assert torch.equal(keys, tokens(1, 2, 3, 4)) and torch.equal(values, -tokens(1, 2, 3, 4))
    assert torch.equal(layer.keys, keys) and torch.equal(layer.values, values)


def test_appending_writes_in_place():
    layer = new_layer()
    keys, values = layer.append(tokens(1), tokens(1))
    before = keys.data_ptr(), values.data_ptr()
    for value in range(2, 7):
        keys, values = layer.append(tokens(value), tokens(value))
        assert (keys.data_ptr(), values.data_ptr()) == before


def test_beyond_the_reserved_room_it_doubles():
    layer = new_layer(max_tokens=2)
    keys, _ = layer.append(tokens(0), tokens(0))
    moves, where = 0, keys.data_ptr()
    for value in range(1, 64):
        keys, _ = layer.append(tokens(value), tokens(value))
        moves, where = moves + (keys.data_ptr() != where), keys.data_ptr()
    assert torch.equal(keys, tokens(*range(64)))
    assert moves <= 5  # 2 -> 4 -> ... -> 64


def test_a_batch_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"batch 2, 1 heads of 2 cannot take batch 3"):
        new_layer().append(tokens(1, batch=3), tokens(1, batch=3))


def test_no_gradient_is_kept():
    layer = new_layer()
    given = tokens(1).clone().requires_grad_()
    keys, values = layer.append(given, given)
    assert not keys.requires_grad and not values.requires_grad


def test_memory_is_what_is_reserved():
    # 2 layers x keys and values x batch 2 x 1 head x 6 positions x 2 wide x 4 bytes
    cache = new_cache()
    assert cache.memory_bytes == 2 * 2 * 2 * 1 * 6 * 2 * 4
    read(cache, 1)
    assert cache.memory_bytes == 2 * 2 * 2 * 1 * 6 * 2 * 4


def test_length_counts_what_every_layer_holds():
    cache = new_cache()
    cache.layers[0].append(tokens(1), tokens(1))
    assert cache.length == 0
    cache.layers[1].append(tokens(1), tokens(1))
    assert cache.length == 1


@pytest.mark.parametrize("rows", [[1, 0], [1, 1], [0], [1, 0, 0, 1]], ids=str)
def test_chosen_rows_go_on_alone(rows):
    cache, batch = new_cache(), len(rows)
    cache.extend_mask(torch.tensor([[False, True], [True, True]]))
    read(cache, 1, 2)
    cache.select(torch.tensor(rows))
    read(cache, 3, batch=batch)
    expected = torch.cat([tokens(1, 2)[rows], tokens(3, batch=batch)], dim=2)
    for layer in cache.layers:
        assert torch.equal(layer.keys, expected) and torch.equal(layer.values, -expected)
    assert cache.mask_until(3).tolist() == [[row == 1, True, True] for row in rows]


def test_without_padding_there_is_no_mask():
    cache = new_cache()
    cache.extend_mask(torch.ones(2, 3, dtype=torch.bool))
    assert cache.key_mask is None and cache.mask_until(5) is None


def test_padding_is_remembered_and_later_tokens_are_real():
    cache = new_cache()
    cache.extend_mask(torch.tensor([[False, True], [True, True]]))
    read(cache, 1, 2)
    assert cache.mask_until(4).tolist() == [[False, True, True, True], [True] * 4]


def test_padding_may_come_after_unmasked_tokens():
    cache = new_cache()
    read(cache, 1, 2)
    cache.extend_mask(torch.tensor([[True], [False]]))
    assert cache.key_mask.tolist() == [[True, True, True], [True, True, False]]
    read(cache, 3)
    read(cache, 4)
    cache.extend_mask(torch.tensor([[False], [True]]))
    assert cache.key_mask.tolist() == [
        [True, True, True, True, False],
        [True, True, False, True, True],
    ]


def test_truncating_forgets_the_end():
    cache = new_cache()
    cache.extend_mask(torch.tensor([[False, True, True], [True, True, False]]))
    read(cache, 1, 2, 3)
    cache.truncate(2)
    read(cache, 9)
    assert cache.length == 3
    assert torch.equal(cache.layers[0].keys, tokens(1, 2, 9))
    assert cache.mask_until(3).tolist() == [[False, True, True], [True, True, True]]
