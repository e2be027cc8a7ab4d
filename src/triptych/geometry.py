"""Boxes and points, always in pixels of the original picture.

Coordinates are continuous, from the top left corner: 0 is the left edge of the first pixel and
`width` the right edge of the last. How a model writes them down is in `text.coordinates`.
"""

from dataclasses import dataclass

from triptych.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a picture."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in a picture.

    Raises:
        ShapeError: right is left of left, or bottom above top.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (self.left <= self.right and self.top <= self.bottom):
            raise ShapeError(
                f"a box goes from left to right and from top to bottom, got "
                f"({self.left:g}, {self.top:g}, {self.right:g}, {self.bottom:g})"
            )

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> Point:
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    @property
    def corners(self) -> "Polygon":
        """Clockwise from the top left one."""
        left, top, right, bottom = self.left, self.top, self.right, self.bottom
        return Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom)

    def contains(self, point: Point) -> bool:
        """Whether the point lies inside or on the edge."""
        return self.left <= point.x <= self.right and self.top <= point.y <= self.bottom

    def intersection(self, other: "Box") -> float:
        """Area that both cover, in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0 to 1; two boxes without area have 0."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


Polygon = tuple[Point, ...]
"""Corners in order; the last is joined to the first."""


def inside(point: Point, polygon: Polygon) -> bool:
    """Whether the point lies inside, by the even-odd rule."""
    crossings = False
    for first, second in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (first.y > point.y) != (second.y > point.y):
            share = (point.y - first.y) / (second.y - first.y)
            if point.x < first.x + share * (second.x - first.x):
                crossings = not crossings
    return crossings


def bounds(polygon: Polygon) -> Box:
    """The smallest box around a polygon."""
    xs, ys = [point.x for point in polygon], [point.y for point in polygon]
    return Box(min(xs), min(ys), max(xs), max(ys))
