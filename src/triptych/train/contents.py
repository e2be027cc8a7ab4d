"""The tensors of a checkpoint by name, and the files they are in: whole ones, or one of each rank.

    model.*        the weights, or what is trained of them where there are adapters
    average.*      their moving average
    optimizer.*    what the optimizer keeps for each of them

Ranks that hold the whole model write it once. Ranks that share it write their shards through
`torch.distributed.checkpoint`, as safetensors with the place of every shard in the header:

    model.safetensors  training.safetensors                          whole
    shard-00001-model-00001-of-00001.safetensors  shard-00002-...    of two ranks

What is read is filled into tensors that are there, of any of these into any other: whole ones into
this rank's rows, and shards of two ranks into one process or into four.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from triptych.adapters import Adapters
from triptych.checkpoint.adapters import ADAPTER_WEIGHTS, PREFIX
from triptych.checkpoint.files import check_fit, open_tensors
from triptych.checkpoint.model_folder import WEIGHTS
from triptych.errors import ConfigError
from triptych.train.average import WeightAverage
from triptych.train.optimizer import trained_parameters
from triptych.train.splitting import split_like

TENSORS = "training.safetensors"

Named = Mapping[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]


def weights_of(average: WeightAverage, adapters: Adapters | None) -> dict[str, Tensor]:
    """The weights that a checkpoint holds."""
    return average.model.state_dict() if adapters is None else adapters.state()


def training_tensors(
    average: WeightAverage, optimizer: torch.optim.Optimizer, step: int
) -> dict[str, Tensor]:
    """All else that it holds."""
    # Before the first step there may be nothing else, and a file of no tensors cannot be read.
    tensors = {"step": torch.tensor(step)}
    tensors |= {f"average.{name}": each for name, each in average.state().items()}
    for name, parameter in trained_parameters(average.model).items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{name}.{key}"] = torch.as_tensor(value)
    return tensors


def write_shards(folder: Path, tensors: Named, group: Any) -> None:
    """Write this rank's shards into an existing folder; all ranks of the group do so at once.

    Raises:
        OSError: the disk refuses it to one of them.
    """
    checkpoint = _distributed_checkpoint()
    writer = checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        checkpoint.save(dict(tensors), storage_writer=writer, process_group=group)
    except checkpoint.CheckpointException as error:
        rank, (why, _) = next(iter(error.failures.items()))
        raise OSError(f"process {rank + 1} cannot write its shards: {why}") from error


def check_shard_files() -> None:
    """Find out whether this torch writes and reads shards as safetensors; early ones pickled them.

    Raises:
        ConfigError: it does not.
    """
    _distributed_checkpoint()


def _distributed_checkpoint() -> Any:
    # Here, because it takes a second to import, which only runs with shards need.
    from torch.distributed import checkpoint

    if not hasattr(checkpoint, "HuggingFaceStorageWriter"):
        raise ConfigError(
            f"torch {torch.__version__} cannot keep shards as safetensors; install a newer one "
            "(2.13 is tested), or set train.sharded to false and begin anew"
        )
    return checkpoint


class ShardFiles:
    """One file of each rank that wrote it."""

    def __init__(self, folder: Path) -> None:
        self._reader = _distributed_checkpoint().HuggingFaceStorageReader(str(folder))
        known = self._reader.read_metadata().state_dict_metadata
        self.shapes: Shapes = {name: tuple(each.size) for name, each in known.items()}

    def fill(self, tensors: Named) -> None:
        """Put what the disk holds under these names into these tensors; every rank reads alone."""
        checkpoint = _distributed_checkpoint()
        with warnings.catch_warnings():
            # It says once more what `no_dist` says.
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            checkpoint.load(dict(tensors), storage_reader=self._reader, no_dist=True)


class WholeFiles:
    """The files of a process that holds the whole model."""

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, tuple[Path, str]] = {}
        self.shapes: Shapes = {}
        weights = next(folder / n for n in (ADAPTER_WEIGHTS, WEIGHTS) if (folder / n).exists())
        for path in (weights, folder / TENSORS):
            with open_tensors(path) as file:
                for name in cast(list[str], list(file.keys())):
                    own = path.name == TENSORS
                    full = name if own else f"model.{name.removeprefix(PREFIX)}"
                    self._places[full] = path, name
                    self.shapes |= {full: tuple(file.get_slice(name).get_shape())}

    def fill(self, tensors: Named) -> None:
        """Put what the disk holds under these names into these tensors."""
        for path in {self._places[name][0] for name in tensors}:
            with open_tensors(path) as file:
                for name, tensor in tensors.items():
                    source, inner = self._places[name]
                    if source == path:
                        tensor.copy_(split_like(file.get_tensor(inner), tensor))


def open_contents(folder: Path) -> ShardFiles | WholeFiles:
    """The tensors of the checkpoint in a folder."""
    return ShardFiles(folder) if any(folder.glob("shard-*")) else WholeFiles(folder)


@torch.no_grad()
def restore(
    folder: Path,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    adapters: Adapters | None = None,
) -> None:
    """Put a checkpoint back into model, average and optimizer.

    Raises:
        CheckpointError: it does not belong to this model, or to a run with such an average.
    """
    stored = open_contents(folder)
    wanted = _under("model.", weights_of(average, adapters))
    given = {name: shape for name, shape in stored.shapes.items() if name.startswith("model.")}
    check_fit({name: tuple(each.shape) for name, each in wanted.items()}, given, str(folder))
    averages = _under("average.", average.state())
    average.check(name.removeprefix("average.") for name in stored.shapes)
    states = dict[str, Tensor]()
    for name, parameter in trained_parameters(average.model).items():
        state = _fresh_state(stored.shapes, f"optimizer.{name}.", parameter, optimizer)
        states |= _under(f"optimizer.{name}.", state)
        optimizer.state[parameter] = state
    stored.fill({**wanted, **averages, **states})


def _under(prefix: str, tensors: Named) -> dict[str, Tensor]:
    return {prefix + name: each for name, each in tensors.items()}


def _fresh_state(
    shapes: Shapes, prefix: str, parameter: Tensor, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Room for what the optimizer had for a parameter."""
    # Fused optimizers count their steps where the weights are, others on the processor.
    fused = bool(optimizer.defaults.get("fused"))
    counter = torch.zeros((), device=parameter.device if fused else "cpu")
    keys = (n.removeprefix(prefix) for n in shapes if n.startswith(prefix))
    names = [key for key in keys if "." not in key]
    return {key: counter if key == "step" else torch.zeros_like(parameter) for key in names}
