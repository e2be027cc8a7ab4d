"""Three plots of clips, and how each can turn out otherwise.

    motion      all objects are there all the time; one or more move, each at its own speed
    arrivals    objects that stay where they are appear one after another; some leave again
    story       every second something else happens: one moves, appears or disappears

Whatever happens within a second is done before the next begins, and two arrivals are a second
apart, so that every question has one answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, product
from random import Random

from triptych.data.worlds.clips.facts import (
    BEAT,
    DIRECTIONS,
    OPPOSITE,
    REACH,
    SIZE,
    Direction,
    Mover,
    keep_apart,
)
from triptych.data.worlds.objects import COLOURS, HELD_OUT, SHAPES, Thing, shade, tilt
from triptych.data.worlds.wording import Split

MIN_RATIO = 1.6
"""Of two speeds, how many times the higher is the lower where they are compared."""

_FASTEST = {4: 16.0, 6: 12.0, 8: 9.0}
"""Pixels a frame, by the number of frames."""
_SPEEDS = (1.0, 0.55, 0.3)
"""Shares of the fastest; each object of a clip has another."""

_RADII = (10.0, 12.0)
_RIM = REACH * _RADII[1] + 1.5
# Pixels. Centres keep this far from the rim: an object, its edge, and a gap of one.

PLANTED: dict[str, Direction] = {
    colour: tuple(DIRECTIONS)[index % 4] for index, colour in enumerate(COLOURS)
}
"""Where objects of a colour move to where a prior is planted."""


def make_movers(rng: Random, split: Split, prior: float, num_frames: int) -> tuple[Mover, ...]:
    """Objects in one of the three plots, that do not get in each other's way."""
    plots, weights = (_motion, _arrivals, _story), (5, 3, 3)
    plot = rng.choices(plots, weights)[0]
    # Four frames have room for two arrivals only.
    most = 2 if plot is _arrivals and num_frames == 4 else 3
    num_things = rng.randint(1 if plot is _motion else 2, most)
    while True:
        movers = plot(rng, _things(rng, split, num_things), num_frames, prior)
        if movers and keep_apart(movers):
            return tuple(movers)


def _things(rng: Random, split: Split, num_things: int) -> list[Thing]:
    """Objects of which no two have one colour and shape."""
    pairs = _pairs_of(split)
    return [_thing(rng, colour, shape) for colour, shape in rng.sample(pairs, num_things)]


@lru_cache(maxsize=8)
def _pairs_of(split: Split) -> tuple[tuple[str, str], ...]:
    """Colours with the shapes in which a split shows them."""
    wanted = split == "combinations"
    return tuple(pair for pair in product(COLOURS, SHAPES) if (pair in HELD_OUT) == wanted)


def _thing(rng: Random, colour: str, shape: str) -> Thing:
    radius = rng.uniform(*_RADII)
    return Thing(
        shape=shape,
        colour=colour,
        rgb=shade(rng, colour),
        size="medium",
        texture=rng.choice(("solid", "solid", "solid", "striped", "dotted")),
        x=rng.uniform(_RIM, SIZE[0] - _RIM),
        y=rng.uniform(_RIM, SIZE[1] - _RIM),
        radius=radius,
        angle=tilt(rng, shape),
    )


# -- plots ----------------------------------------------------------------------------------------


def _motion(rng: Random, things: Sequence[Thing], num_frames: int, prior: float) -> Sequence[Mover]:
    speeds = rng.sample(_SPEEDS, len(things))
    movers = [Mover(thing=thing, vanishes=num_frames) for thing in things]
    # The first always moves.
    for index, mover in enumerate(movers):
        if index == 0 or rng.random() < 0.75:
            step = _FASTEST[num_frames] * speeds[index]
            movers[index] = _moving(rng, mover, prior, step, 0, num_frames - 1)
    return movers


def _arrivals(
    rng: Random, things: Sequence[Thing], num_frames: int, prior: float
) -> Sequence[Mover]:
    num_beats = num_frames // BEAT
    beats = sorted(rng.sample(range(num_beats), len(things)))
    appears = [BEAT * beat + 1 for beat in beats]
    if rng.random() < 0.4:
        appears[0] = 0
    movers = [
        Mover(thing=thing, appears=frame, vanishes=num_frames)
        for thing, frame in zip(things, appears, strict=True)
    ]
    free = [beat for beat in range(beats[0] + 1, num_beats) if beat not in beats]
    if free and rng.random() < 0.5:
        vanishes = BEAT * rng.choice(free) + 1
        movers[0] = replace(movers[0], vanishes=vanishes)
    return movers


def _story(rng: Random, things: Sequence[Thing], num_frames: int, prior: float) -> Sequence[Mover]:
    """Something new every second; only stories in which something moves are told."""
    hidden = num_frames
    movers = [
        Mover(thing=thing, appears=rng.choice((0, 0, hidden)), vanishes=num_frames)
        for thing in things
    ]
    for beat in range(num_frames // BEAT):
        happening = rng.choices((_move, _appear, _vanish, _rest), weights=(5, 4, 3, 1))[0]
        order = rng.sample(range(len(movers)), len(movers))
        for index in order:
            changed = happening(rng, movers[index], beat, num_frames, prior)
            if changed is not None:
                movers[index] = changed
                break
    movers = [mover for mover in movers if mover.appears < num_frames]
    return movers if any(mover.direction for mover in movers) else ()


def _move(rng: Random, mover: Mover, beat: int, num_frames: int, prior: float) -> Mover | None:
    first = BEAT * beat
    if mover.direction or not mover.is_seen(first):
        return None
    last = min(first + BEAT, num_frames - 1)
    # The last second has but one step, which is then a long one.
    return _moving(rng, mover, prior, 22.0 / (last - first + 0.4), first, last)


def _appear(rng: Random, mover: Mover, beat: int, num_frames: int, prior: float) -> Mover | None:
    return replace(mover, appears=BEAT * beat + 1) if mover.appears == num_frames else None


def _vanish(rng: Random, mover: Mover, beat: int, num_frames: int, prior: float) -> Mover | None:
    is_staying = mover.is_seen(BEAT * beat) and mover.vanishes == num_frames
    return replace(mover, vanishes=BEAT * beat + 1) if is_staying else None


def _rest(rng: Random, mover: Mover, beat: int, num_frames: int, prior: float) -> Mover | None:
    return None


def _moving(rng: Random, mover: Mover, prior: float, step: float, starts: int, stops: int) -> Mover:
    """The object made to move, past where it was put."""
    planted = rng.random() < prior
    direction = PLANTED[mover.thing.colour] if planted else rng.choice(tuple(DIRECTIONS))
    return _on_path(mover, direction, step, starts, stops)


def _on_path(mover: Mover, direction: Direction, step: float, starts: int, stops: int) -> Mover:
    """The object on a path with its middle where it was put, or as near as the rim allows."""
    way = step * (stops - starts)
    thing, margin = mover.thing, _RIM + way / 2
    across, down = DIRECTIONS[direction]
    x = _within(thing.x, margin, SIZE[0]) - across * way / 2 if across else thing.x
    y = _within(thing.y, margin, SIZE[1]) - down * way / 2 if down else thing.y
    return replace(
        mover,
        thing=replace(thing, x=x, y=y),
        direction=direction,
        step=step,
        starts=starts,
        stops=stops,
    )


def _within(value: float, margin: float, length: int) -> float:
    return min(max(value, margin), length - margin)


# -- turning out otherwise ------------------------------------------------------------------------


def change_movers(movers: Sequence[Mover], rng: Random) -> tuple[Mover, ...]:
    """The same clip with one direction reversed, or with an order or two speeds swapped.

    A kind of change is chosen first: those with many possibilities do not crowd out others. Speeds
    are seldom free to be swapped, so that is done as often as not where it can be.
    """
    kinds = (_reversals, _order_swaps, _speed_swaps, _speed_swaps)
    ways = [list(way(movers)) for way in kinds]
    return rng.choice(rng.choice([way for way in ways if way]))


def _reversals(movers: Sequence[Mover]) -> Iterator[tuple[Mover, ...]]:
    for index, mover in enumerate(movers):
        if mover.direction:
            turned = replace(
                mover, thing=mover.at(mover.stops), direction=OPPOSITE[mover.direction]
            )
            yield _with(movers, {index: turned})


def _order_swaps(movers: Sequence[Mover]) -> Iterator[tuple[Mover, ...]]:
    for first, second in combinations(range(len(movers)), 2):
        one, two = movers[first], movers[second]
        if one.direction or two.direction or not one_after_another(one, two):
            continue
        yield _with(
            movers,
            {
                first: replace(one, appears=two.appears, vanishes=two.vanishes),
                second: replace(two, appears=one.appears, vanishes=one.vanishes),
            },
        )


def _speed_swaps(movers: Sequence[Mover]) -> Iterator[tuple[Mover, ...]]:
    for first, second in combinations(range(len(movers)), 2):
        one, two = movers[first], movers[second]
        if not comparable(one, two):
            continue
        swapped = _with(movers, {first: _at_step(one, two.step), second: _at_step(two, one.step)})
        if keep_apart(swapped):
            yield swapped


def one_after_another(one: Mover, two: Mover) -> bool:
    """Whether they appear so far apart that it is plain which came first."""
    return abs(one.appears - two.appears) >= BEAT


def comparable(one: Mover, two: Mover) -> bool:
    """Whether both move at the same time, and one plainly faster."""
    slow, fast = sorted((one.step, two.step))
    same_time = (one.starts, one.stops) == (two.starts, two.stops)
    return slow > 0 and same_time and fast / slow >= MIN_RATIO


def _at_step(mover: Mover, step: float) -> Mover:
    """The same path at another speed, longer or shorter at both ends as far as there is room."""
    assert mover.direction is not None
    first, last = mover.centre(mover.starts), mover.centre(mover.stops)
    middle = replace(mover.thing, x=(first.x + last.x) / 2, y=(first.y + last.y) / 2)
    return _on_path(replace(mover, thing=middle), mover.direction, step, mover.starts, mover.stops)


def _with(movers: Sequence[Mover], changed: dict[int, Mover]) -> tuple[Mover, ...]:
    return tuple(changed.get(index, mover) for index, mover in enumerate(movers))
