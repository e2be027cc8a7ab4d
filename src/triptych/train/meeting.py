"""Pairs that are compared with each other, held by several ranks: each gets those of all.

    rank 0   pairs 0 2 4    --.                       0 1 2 3 4 5, gradients through 0 2 4
    rank 1   pairs 1 3 5    --'   on every rank       0 1 2 3 4 5, gradients through 1 3 5

So negatives are those of the whole forward pass, however many ranks share it. Only values are sent:
every rank computes the whole loss with gradients through its own rows, which the end of a step adds
up, and no rank waits for another in a backward pass. In a pass that is shorter than there are ranks
some have no pair; they meet the others all the same.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from triptych.fusion.pairs import PairInputs
from triptych.objectives.matching import Compared
from triptych.shapes import VisionFeatures
from triptych.train.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where ranks bring pairs together: in every forward pass once, all of them."""

    ranks: Ranks
    wait: Callable[[], object]
    """Called before: where ranks share the model, too, until none of them needs more of it."""
    device: torch.device
    needs_features: bool
    """Whether a rank reads pictures of others together with its texts."""

    def bring(
        self,
        places: Sequence[int],
        images: Float[Tensor, "own query shared_dim"],
        texts: Float[Tensor, "own shared_dim"],
        features: VisionFeatures,
        inputs: PairInputs,
    ) -> Compared:
        """All pairs of a forward pass in their order; `places` are those of this rank's own.

        Raises:
            RankLostError, OthersStopped: as `Ranks.exchange`.
        """
        pictures = [_digest(each) for each in inputs.pixels]
        said = self._say({"places": list(places), "texts": _texts(inputs), "pictures": pictures})
        order = [place for each in said for place in each["places"]]
        own = torch.tensor(list(places), device=self.device)
        token_ids, token_mask = _padded(_ordered(order, said, "texts"), self.device)
        equal = _equal(_ordered(order, said, "texts")) | _equal(_ordered(order, said, "pictures"))
        return Compared(
            self._rows(images, order, own),
            self._rows(texts, order, own),
            self._features(features, order, own) if self.needs_features else features,
            token_ids,
            token_mask,
            equal.to(self.device),
            own,
        )

    def attend(self) -> None:
        """Meet the others without a pair of one's own.

        Raises:
            RankLostError, OthersStopped: as `Ranks.exchange`.
        """
        self._say({"places": [], "texts": [], "pictures": []})
        for _ in range(4 if self.needs_features else 2):
            self.ranks.gather_rows(None, self.device)

    def _say(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        self.wait()
        return self.ranks.exchange(said)

    def _features(self, features: VisionFeatures, order: list[int], own: Tensor) -> VisionFeatures:
        return VisionFeatures(
            self._rows(features.cells, order, own), self._rows(features.prefix, order, own)
        )

    def _rows(self, mine: Tensor, order: list[int], own: Tensor) -> Tensor:
        """Rows of all ranks in the order of the pass, this rank's with their gradients."""
        values = self.ranks.gather_rows(mine.detach(), self.device)
        by_place = torch.tensor(order, device=self.device).argsort()
        return values[by_place].index_copy(0, own, mine)


def _texts(inputs: PairInputs) -> list[list[int]]:
    rows = zip(inputs.token_ids.cpu(), inputs.token_mask.cpu(), strict=True)
    return [cast(list[int], ids[mask].tolist()) for ids, mask in rows]


def _digest(picture: Tensor) -> str:
    """What equal pictures, and no others, have in common."""
    data = picture.cpu().contiguous().view(torch.uint8).numpy().data
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _ordered(order: list[int], said: list[dict[str, Any]], name: str) -> list[Any]:
    """What all ranks say of their pairs, in the order of the pass."""
    together = [each for one in said for each in one[name]]
    return [together[index] for index in sorted(range(len(order)), key=order.__getitem__)]


def _padded(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    longest = max(map(len, rows))
    ids = [row + [0] * (longest - len(row)) for row in rows]
    masks = [[True] * len(row) + [False] * (longest - len(row)) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(masks, device=device)


def _equal(things: list[Any]) -> Bool[Tensor, "pair pair"]:
    numbers: dict[str, int] = {}
    numbered = torch.tensor([numbers.setdefault(str(each), len(numbers)) for each in things])
    return numbered[:, None] == numbered
