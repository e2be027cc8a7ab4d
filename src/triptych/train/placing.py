"""Where a model is trained."""

import torch

from triptych.errors import ConfigError
from triptych.train.passes import Trained
from triptych.train.ranks import local_rank, num_ranks


def place(model: Trained, device: str) -> None:
    """Bring a model to a device, all its weights with it; an empty name leaves it where it is.

    Of several processes on one machine each takes its own where it says just cuda.

    Raises:
        ConfigError: there is no such device here.
    """
    if not device:
        return
    check_device(device)
    if device == "cuda" and num_ranks() > 1:
        device = f"cuda:{local_rank()}"
        torch.cuda.set_device(device)
    model.to(device)


def check_device(device: str) -> None:
    """Find out whether a device is here; an empty name is that of where a model is.

    Raises:
        ConfigError: there is no such device here.
    """
    if not device:
        return
    try:
        # A number is needed to know: that a name can be spelt does not mean that it is there.
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).split("\n", 1)[0]
        raise ConfigError(
            f"device={device!r} cannot be trained on ({why}); name one that torch finds here, "
            "like cpu or cuda, or none to train where the model is"
        ) from error
