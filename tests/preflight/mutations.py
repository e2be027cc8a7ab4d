"""Ways in which the labels of a training sample go wrong; each is drawn from a seed."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from triptych.inputs import IGNORED
from triptych.processor import Sample


def mutated(sample: Sample, rng: Random, mutate: Callable[[Sample, Random], Sample]) -> Sample:
    """The sample with one thing wrong, never as it was."""
    for _ in range(50):
        other = mutate(sample, rng)
        if facts(other) != facts(sample):
            return other
    raise AssertionError(f"{mutate.__name__} leaves sample {sample.sample_id} as it is")


def facts(sample: Sample):
    return sample.token_ids, sample.labels, sample.branches, sample.weights


def answers(sample: Sample) -> list[range]:
    """Stretches of labels, one an answer."""
    found, start = [], None
    for index in range(len(sample.labels) + 1):
        ends = index == len(sample.labels) or sample.labels[index] == IGNORED
        if start is not None and (ends or sample.branches[index] != sample.branches[start]):
            found.append(range(start, index))
            start = None
        if not ends and start is None:
            start = index
    return found


def with_labels(sample: Sample, changes: dict[int, int]) -> Sample:
    labels = [changes.get(index, label) for index, label in enumerate(sample.labels)]
    return replace(sample, labels=labels)


def with_mask(sample: Sample, labelled: list[bool]) -> Sample:
    pairs = zip(sample.token_ids, labelled, strict=True)
    return replace(sample, labels=[id if chosen else IGNORED for id, chosen in pairs])


def without(sample: Sample, gone: range) -> Sample:
    return _rows(sample, [i for i in range(len(sample.token_ids)) if i not in gone])


def _rows(sample: Sample, indexes: list[int]) -> Sample:
    return replace(
        sample,
        token_ids=[sample.token_ids[i] for i in indexes],
        labels=[sample.labels[i] for i in indexes],
        branches=[sample.branches[i] for i in indexes],
        weights=sample.weights and [sample.weights[i] for i in indexes],
    )


def mask_one_late(sample, rng):
    labelled = [label != IGNORED for label in sample.labels]
    return with_mask(sample, [False, *labelled[:-1]])


def mask_one_early(sample, rng):
    labelled = [label != IGNORED for label in sample.labels]
    return with_mask(sample, [*labelled[1:], False])


def labels_shifted_twice(sample, rng):
    return replace(sample, labels=[*sample.labels[1:], IGNORED])


def label_on_a_picture(sample, rng):
    place = rng.choice([each for span in sample.spans for each in span.positions])
    return with_labels(sample, {place: sample.token_ids[place]})


def label_on_the_question(sample, rng):
    place = rng.choice([i for i, label in enumerate(sample.labels) if label == IGNORED])
    return with_labels(sample, {place: sample.token_ids[place]})


def answer_without_labels(sample, rng):
    return with_labels(sample, dict.fromkeys(rng.choice(answers(sample)), IGNORED))


def end_without_label(sample, rng):
    return with_labels(sample, {rng.choice(answers(sample))[-1]: IGNORED})


def one_token_without_label(sample, rng):
    return with_labels(sample, {rng.choice(rng.choice(answers(sample))): IGNORED})


def turns_exchanged(sample, rng):
    return with_mask(sample, [label == IGNORED for label in sample.labels])


def labels_of_another_answer(sample, rng):
    own, other = rng.choice(answers(sample)), rng.choice(answers(sample))
    return with_labels(sample, {i: sample.labels[j] for i, j in zip(own, other, strict=False)})


def tokens_of_another_answer(sample, rng):
    own, other = rng.choice(answers(sample)), rng.choice(answers(sample))
    ids = dict(zip(own, [sample.token_ids[i] for i in other], strict=False))
    tokens = [ids.get(i, id) for i, id in enumerate(sample.token_ids)]
    pairs = zip(tokens, sample.labels, strict=True)
    labels = [id if label != IGNORED else IGNORED for id, label in pairs]
    return replace(sample, token_ids=tokens, labels=labels)


def answer_cut(sample, rng):
    own = rng.choice(answers(sample))
    start = rng.choice(own)
    return without(sample, range(start, own.stop))


def answer_twice(sample, rng):
    own = rng.choice(answers(sample))
    before, behind = range(own.stop), range(own.stop, len(sample.token_ids))
    return _rows(sample, [*before, *own, *behind])


def label_of_another_token(sample, rng):
    place = rng.choice(rng.choice(answers(sample)))
    return with_labels(sample, {place: rng.choice(sample.token_ids)})


def nothing_labelled(sample, rng):
    return with_labels(sample, dict.fromkeys(range(len(sample.labels)), IGNORED))


def everything_labelled(sample, rng):
    return replace(sample, labels=list(sample.token_ids))


def padding_labelled(sample, rng):
    pads = rng.randint(1, 5)
    end = sample.token_ids[answers(sample)[-1][-1]]
    return replace(
        sample,
        token_ids=sample.token_ids + [end] * pads,
        labels=sample.labels + [end] * pads,
        branches=sample.branches + sample.branches[-1:] * pads,
        weights=sample.weights and sample.weights + sample.weights[-1:] * pads,
    )


def weight_of_nothing(sample, rng):
    weights = list(sample.weights or [1.0] * len(sample.labels))
    for place in rng.choice(answers(sample)):
        weights[place] = rng.choice((0.0, -1.0, float("nan"), float("inf")))
    return replace(sample, weights=weights)


def slot_missing(sample, rng):
    place = rng.choice([each for span in sample.spans for each in span.positions])
    return without(sample, range(place, place + 1))


def slot_too_many(sample, rng):
    place = rng.choice([each for span in sample.spans for each in span.positions])
    behind = range(place, len(sample.token_ids))
    return _rows(sample, [*range(place + 1), *behind])


MUTATIONS = (
    mask_one_late,
    mask_one_early,
    labels_shifted_twice,
    label_on_a_picture,
    label_on_the_question,
    answer_without_labels,
    end_without_label,
    one_token_without_label,
    turns_exchanged,
    labels_of_another_answer,
    tokens_of_another_answer,
    answer_cut,
    answer_twice,
    label_of_another_token,
    nothing_labelled,
    everything_labelled,
    padding_labelled,
    weight_of_nothing,
    slot_missing,
    slot_too_many,
)
