"""BLEU-1..4, ROUGE-L and CIDEr of captions, to the digit as the official COCO script counts them.

The usual traps: BLEU adds n-gram counts over all pictures before dividing, and compares a caption
with the reference of nearest length; ROUGE-L takes the best precision and the best recall of all
references separately; what the script calls CIDEr is CIDEr-D of its paper. CIDEr weighs words by
how few of the *evaluated* pictures they describe, so figures over different pictures, or averages
of figures over parts, cannot be compared.

BLEU: https://aclanthology.org/P02-1040  ROUGE: https://aclanthology.org/W04-1013
CIDEr: https://arxiv.org/abs/1411.5726  COCO captions: https://arxiv.org/abs/1504.00325
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triptych.errors import DataError
from triptych.evaluate.metrics.ptb_tokenizer import tokenize

MAX_N = 4
"""Longest n-gram that counts."""

Ngram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemScores:
    """The scores of one caption; CIDEr depends on the references of all pictures."""

    bleu: tuple[float, float, float, float]
    rouge_l: float
    cider: float


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """The scores of a set of captions. BLEU and ROUGE-L lie in 0..1, CIDEr in 0..10."""

    bleu: tuple[float, float, float, float]
    """BLEU-1 to BLEU-4 of the whole set; not the mean over items."""
    rouge_l: float
    """Mean over items."""
    cider: float
    """Mean over items."""
    per_item: Mapping[str, ItemScores]


def score_captions(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> CaptionScores:
    """Compare one caption a picture with the references of the same pictures.

    Both are split into words by the Penn Treebank tokenizer first.

    Raises:
        DataError: there is nothing to score, the picture ids differ, or a picture has no
            reference.
    """
    _check(candidates, references)
    items = list(candidates)
    captions = [tokenize(candidates[item]) for item in items]
    others = [[tokenize(reference) for reference in references[item]] for item in items]
    caption_ngrams = [_ngrams(caption) for caption in captions]
    other_ngrams = [[_ngrams(reference) for reference in each] for each in others]

    counts = [
        _BleuCounts.of(ours, theirs)
        for ours, theirs in zip(caption_ngrams, other_ngrams, strict=True)
    ]
    rouges = [_rouge_l(ours, theirs) for ours, theirs in zip(captions, others, strict=True)]
    ciders = _cider(caption_ngrams, other_ngrams)
    return CaptionScores(
        bleu=_BleuCounts.total(counts).bleu(),
        rouge_l=math.fsum(rouges) / len(items),
        cider=math.fsum(ciders) / len(items),
        per_item={
            item: ItemScores(count.bleu(), rouge, cider)
            for item, count, rouge, cider in zip(items, counts, rouges, ciders, strict=True)
        },
    )


def _check(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> None:
    if not candidates:
        raise DataError("there is no caption to score; give one a picture")
    _check_same(candidates, references, "caption", "references", "caption these pictures or leave")
    _check_same(references, candidates, "references", "a caption", "find their references or leave")
    for item, texts in references.items():
        if isinstance(texts, str):
            raise DataError(f"the references of {item} are one text; give a list of texts")
        if not texts:
            raise DataError(f"{item} has an empty list of references; give at least one")


def _check_same(
    have: Mapping[str, object], want: Mapping[str, object], missing: str, given: str, cure: str
) -> None:
    without = [item for item in want if item not in have]
    if without:
        named = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
        raise DataError(
            f"{len(without)} of {len(want)} pictures have {given} but no {missing}: {named}; "
            f"{cure} them out of both"
        )


# -- n-grams -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ngrams:
    """A text as the counts of its n-grams of every length from 1 to `MAX_N`."""

    num_words: int
    counts: Counter[Ngram]


def _ngrams(text: str) -> _Ngrams:
    # Any white space splits here, a no-break space in "1 1/2" too; ROUGE-L splits at spaces only.
    words = text.split()
    grams = [
        tuple(words[i : i + n]) for n in range(1, MAX_N + 1) for i in range(len(words) - n + 1)
    ]
    return _Ngrams(len(words), Counter(grams))


# -- BLEU --------------------------------------------------------------------------------------

_TINY, _SMALL = 1e-15, 1e-9
"""Added to counts above and below the line, so that a set without any match has a score, almost
zero, instead of none."""


@dataclass(frozen=True, slots=True)
class _BleuCounts:
    """What BLEU needs to know of a caption; of several, by adding up."""

    num_words: int
    num_reference_words: int
    """Of the reference of nearest length; of two equally near ones, the shorter."""
    matches: tuple[int, ...]
    """By n-gram length: n-grams that a reference has too, each at most as often as there."""
    guesses: tuple[int, ...]
    """By n-gram length: all n-grams."""

    @staticmethod
    def of(caption: _Ngrams, references: Sequence[_Ngrams]) -> "_BleuCounts":
        size = caption.num_words
        nearest = min((abs(each.num_words - size), each.num_words) for each in references)[1]
        matches = [0] * MAX_N
        for gram, count in caption.counts.items():
            most = max(each.counts[gram] for each in references)
            matches[len(gram) - 1] += min(count, most)
        guesses = tuple(max(0, size - n) for n in range(MAX_N))
        return _BleuCounts(size, nearest, tuple(matches), guesses)

    @staticmethod
    def total(counts: Sequence["_BleuCounts"]) -> "_BleuCounts":
        return _BleuCounts(
            sum(each.num_words for each in counts),
            sum(each.num_reference_words for each in counts),
            tuple(sum(column) for column in zip(*(each.matches for each in counts), strict=True)),
            tuple(sum(column) for column in zip(*(each.guesses for each in counts), strict=True)),
        )

    def bleu(self) -> tuple[float, float, float, float]:
        """BLEU-1 to BLEU-4: geometric means of the precisions, less a penalty for brevity."""
        ratio = (self.num_words + _TINY) / (self.num_reference_words + _SMALL)
        brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
        scores: list[float] = []
        product = 1.0
        for n, (matches, guesses) in enumerate(
            zip(self.matches, self.guesses, strict=True), start=1
        ):
            product *= (matches + _TINY) / (guesses + _SMALL)
            scores.append(product ** (1 / n) * brevity)
        first, second, third, fourth = scores
        return first, second, third, fourth


# -- ROUGE-L -----------------------------------------------------------------------------------

_ROUGE_BETA = 1.2
"""How much more recall counts than precision."""


def _rouge_l(caption: str, references: Sequence[str]) -> float:
    words = caption.split(" ")
    precision = recall = 0.0
    for reference in references:
        others = reference.split(" ")
        common = _common_subsequence(words, others)
        precision = max(precision, common / len(words))
        recall = max(recall, common / len(others))
    if precision == 0.0 or recall == 0.0:
        return 0.0
    weight = _ROUGE_BETA**2
    return (1 + weight) * precision * recall / (recall + weight * precision)


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    One integer holds a row of the usual table, a bit a word of `first`; a cleared bit is a place
    where the row's length grows. Hyyrö, "Bit-parallel LCS-length computation revisited", 2004.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(first) - row.bit_count()


# -- CIDEr -------------------------------------------------------------------------------------

_CIDER_SIGMA = 6.0
"""Width, in bigrams, of the Gaussian that punishes a length unlike the reference's."""


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A text as the weights of its n-grams, with a norm for every n-gram length."""

    weights: Mapping[Ngram, float]
    norms: tuple[float, ...]
    num_bigrams: int


def _cider(captions: Sequence[_Ngrams], references: Sequence[Sequence[_Ngrams]]) -> list[float]:
    """CIDEr-D of every caption, with rarity measured over the references of all pictures."""
    rarity, log_pictures = _rarity(references)
    return [
        _cider_of(
            _weigh(caption, rarity, log_pictures),
            [_weigh(reference, rarity, log_pictures) for reference in each],
        )
        for caption, each in zip(captions, references, strict=True)
    ]


def _rarity(references: Sequence[Sequence[_Ngrams]]) -> tuple[dict[Ngram, float], float]:
    """The weight of every n-gram by how few pictures it describes, and of one never seen."""
    pictures_with: Counter[Ngram] = Counter()
    for each in references:
        pictures_with.update({gram for reference in each for gram in reference.counts})
    log_pictures = math.log(len(references))
    rarity = {gram: log_pictures - math.log(count) for gram, count in pictures_with.items()}
    return rarity, log_pictures


class CiderReward:
    """CIDEr-D of single captions against a fixed set of pictures, as a reward to train on.

    The end of a caption counts as a word, which an unfinished caption lacks; without that, a
    model that is trained on CIDEr learns to stop after "on a" (https://arxiv.org/abs/2003.09971).
    """

    def __init__(self, references: Mapping[str, Sequence[str]]) -> None:
        """Rarity is that of n-grams over these pictures.

        Raises:
            DataError: there is no picture.
        """
        if not references:
            raise DataError("a caption reward needs references; give those of the training set")
        counted = {
            item: [_ngrams(f"{tokenize(text)} {_END}") for text in texts]
            for item, texts in references.items()
        }
        self._rarity, self._unseen = _rarity(list(counted.values()))
        self._references = {
            item: [_weigh(each, self._rarity, self._unseen) for each in texts]
            for item, texts in counted.items()
        }

    def __call__(self, item: str, caption: str, ended: bool) -> float:
        """How well a caption describes the picture `item`, 0 to 10."""
        text = f"{tokenize(caption)} {_END}" if ended else tokenize(caption)
        weighed = _weigh(_ngrams(text), self._rarity, self._unseen)
        return _cider_of(weighed, self._references[item])


_END = "</end>"
"""Stands for the end of a caption; no text is tokenised to it."""


def _weigh(text: _Ngrams, rarity: Mapping[Ngram, float], unseen: float) -> _Weighed:
    weights = {gram: count * rarity.get(gram, unseen) for gram, count in text.counts.items()}
    squares = [0.0] * MAX_N
    for gram, weight in weights.items():
        squares[len(gram) - 1] += weight**2
    # The official script takes a text's length from its bigrams, not from its words.
    return _Weighed(weights, tuple(map(math.sqrt, squares)), max(0, text.num_words - 1))


def _cider_of(caption: _Weighed, references: Sequence[_Weighed]) -> float:
    total = 0.0
    for reference in references:
        products = [0.0] * MAX_N
        for gram, weight in caption.weights.items():
            other = reference.weights.get(gram)
            if other is not None:
                products[len(gram) - 1] += min(weight, other) * other
        similarity = sum(
            product / (ours * theirs) if ours and theirs else product
            for product, ours, theirs in zip(products, caption.norms, reference.norms, strict=True)
        )
        difference = caption.num_bigrams - reference.num_bigrams
        total += similarity * math.exp(-(difference**2) / (2 * _CIDER_SIGMA**2))
    return 10 * total / MAX_N / len(references)
