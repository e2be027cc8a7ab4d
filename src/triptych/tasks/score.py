"""Score: how well texts fit pictures, by a model that compares the two.

scorer = triptych.load_scorer("clip-folder")
scorer.score(["dog.jpg"], ["a dog", "a cat"]).probabilities     # [[0.97, 0.03]]
scorer.embed_texts(["a dog"])                                   # unit vectors, for a search
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.checkpoint.precision import find_dtype
from triptych.checkpoint.scorers import LoadedScorer, import_scorer
from triptych.errors import UsageError
from triptych.fusion.dual import DualEncoder
from triptych.fusion.pairs import PairInputs
from triptych.tasks.finding import find_model


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pictures against texts."""

    texts: tuple[str, ...]

    similarities: tuple[tuple[float, ...], ...]
    """A row for each picture, a number for each text: cosines, -1 to 1."""

    probabilities: tuple[tuple[float, ...], ...]
    """Likewise, 0 to 1."""

    compete: bool
    """Whether the texts compete for a picture, so that its probabilities add up to one; otherwise
    each says whether that text fits."""

    def as_dicts(self) -> list[dict[str, object]]:
        """For each picture its texts with their numbers, as plain values."""
        return [
            {
                "texts": [
                    {"text": text, "similarity": similarity, "probability": probability}
                    for text, similarity, probability in zip(self.texts, *numbers, strict=True)
                ],
                "compete": self.compete,
            }
            for numbers in zip(self.similarities, self.probabilities, strict=True)
        ]


class Scorer:
    """Compare pictures with texts. A picture is a path, bytes, array, PIL image or data URI."""

    def __init__(self, loaded: LoadedScorer) -> None:
        self.architecture = loaded.architecture
        self.model = loaded.model
        self.processor = loaded.processor

    @torch.no_grad()
    def score(
        self, pictures: Sequence[object], texts: Sequence[str], *, batch_size: int = 32
    ) -> Comparison:
        """Every picture against every text; so many pictures are opened and held at a time.

        Raises:
            UsageError: there is no picture or no text.
            MediaError: a picture cannot be opened.
            TokenError: a text is longer than the model reads.
        """
        token_ids, token_mask = self.processor.encode_texts(texts)
        scores = [
            self.model.score(PairInputs(pixels=pixels, token_ids=token_ids, token_mask=token_mask))
            for pixels in self._batches(pictures, batch_size)
        ]
        compete = isinstance(self.model, DualEncoder) and (
            self.model.config.fusion.meaning == "softmax"
        )
        return Comparison(
            tuple(texts),
            _rows(torch.cat([each.similarities for each in scores])),
            _rows(torch.cat([each.probabilities for each in scores])),
            compete,
        )

    @torch.no_grad()
    def embed_pictures(
        self, pictures: Sequence[object], *, batch_size: int = 32
    ) -> Float[Tensor, "image shared_dim"]:
        """Unit vectors; their products with those of texts are cosines.

        Raises:
            UsageError: there is none, or the model has no one vector for a picture.
            MediaError: one cannot be opened.
        """
        dual = self._dual()
        return torch.cat([dual.embed_images(each) for each in self._batches(pictures, batch_size)])

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "text shared_dim"]:
        """Unit vectors.

        Raises:
            UsageError: there is none, or the model has no one vector for a picture.
            TokenError: one is longer than the model reads.
        """
        return self._dual().embed_texts(self.processor.encode_texts(texts)[0])

    def _batches(self, pictures: Sequence[object], batch_size: int) -> Iterator[Tensor]:
        """Pixels of some pictures after those of others; none is refused as by the processor."""
        for start in range(0, max(1, len(pictures)), batch_size):
            yield self.processor.encode_pictures(pictures[start : start + batch_size])

    def _dual(self) -> DualEncoder:
        if not isinstance(self.model, DualEncoder):
            raise UsageError(
                f"{self.architecture.name} scores but does not embed: it compares a text with "
                "several vectors of a picture; take CLIP or SigLIP to embed"
            )
        return self.model


def load_scorer(name: str | Path, *, dtype: str = "float32", offline: bool = False) -> Scorer:
    """Load a model that compares pictures with texts, by its folder or its name on the Hub.

    Args:
        name: A folder, or like `owner/name@revision`.
        dtype: What it computes in: `float32`, `bfloat16` or `float16`.
        offline: Read the Hub's local cache only.

    Raises:
        UnknownNameError: there is no such folder, name or kind of number.
        UsageError: it holds a model that does not compare pictures with texts.
        CheckpointError: it is incomplete or torn, or cannot be fetched.
    """
    kind = find_dtype(dtype)
    return Scorer(import_scorer(find_model(name, offline=offline), dtype=kind))


def _rows(numbers: Float[Tensor, "image text"]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in numbers)
