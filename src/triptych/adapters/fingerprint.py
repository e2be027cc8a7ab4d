"""What a panel's weights are told by: an adapter fits the weights that it was trained over."""

import hashlib

import torch
from torch import nn


@torch.no_grad()
def fingerprint(panel: nn.Module) -> str:
    """A checksum of all numbers of a panel, their names and shapes; the same on every device.

    Numbers are read as float32, so a file of bfloat16 and what was read of it have the same.
    """
    digest = hashlib.sha256()
    for name, tensor in panel.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.float().cpu().contiguous().numpy().data)
    return digest.hexdigest()
