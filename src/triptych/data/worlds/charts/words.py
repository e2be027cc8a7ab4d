"""What charts are about: what is measured, along which axis, for which series."""

from dataclasses import dataclass

from triptych.data.worlds.held_out import listed


@dataclass(frozen=True, slots=True)
class Axis:
    """A list of words that may stand along a chart."""

    noun: str
    """What one of them is called: a month, a fruit."""
    words: tuple[str, ...]
    ordered: bool = False
    """Whether they follow each other, so that a chart shows a run of them and may be a line."""


AXES = (
    Axis("month", listed("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"), True),
    Axis("year", tuple(str(year) for year in range(1994, 2030)), True),
    Axis("day", listed("Mon Tue Wed Thu Fri Sat Sun"), True),
    Axis("quarter", ("Q1", "Q2", "Q3", "Q4"), True),
    Axis("hour", tuple(f"{hour}h" for hour in range(6, 24)), True),
    Axis(
        "fruit",
        listed(
            "Apple Pear Plum Cherry Grape Melon Lemon Lime Orange Banana Mango Papaya Kiwi Fig "
            "Date Peach Apricot Quince Guava Lychee Berry Olive Coconut Pomelo"
        ),
    ),
    Axis(
        "city",
        listed(
            "Oslo Rome Paris Lima Cairo Delhi Tokyo Seoul Lagos Accra Quito Bern Prague Vienna "
            "Madrid Lisbon Dublin London Athens Riga Kyiv Sofia Tunis Rabat Nairobi Dakar Hanoi "
            "Manila Perth Sydney Boston Denver Dallas Havana Bogota Milan"
        ),
    ),
    Axis(
        "person",
        listed(
            "Anna Ben Carla David Emma Felix Grace Hugo Ines Jonas Kira Leo Maya Noah Olga Paul "
            "Rita Sam Tara Umar Vera Walt Xenia Yuri Zoe Ali Bea Cem Dora Eli Fay Gus Hana Ivan "
            "Jade Karl"
        ),
    ),
    Axis(
        "animal",
        listed(
            "Cat Dog Horse Cow Pig Sheep Goat Hen Duck Goose Rabbit Mouse Fox Wolf Bear Deer Owl "
            "Eagle Swan Crow Frog Snake Whale Seal Tiger Lion"
        ),
    ),
    Axis(
        "sport",
        listed(
            "Tennis Golf Rugby Soccer Hockey Rowing Judo Boxing Skiing Diving Chess Polo Karate "
            "Cycling Sailing Surfing Squash Darts Archery Fencing"
        ),
    ),
    Axis(
        "drink",
        listed(
            "Tea Coffee Milk Juice Water Cola Cider Cocoa Latte Mocha Matcha Tonic Punch Shake "
            "Soda Mate Chai Syrup Kefir Lassi"
        ),
    ),
)
"""Everything that stands along an axis or beside a slice."""

SERIES = (
    Axis("shop", listed("North South East West Centre Harbour Airport Station Park Mall")),
    Axis("team", listed("Reds Blues Greens Hawks Bulls Bears Lions Sharks Stars Owls")),
    Axis("model", listed("Alpha Beta Gamma Delta Sigma Omega Kappa Zeta Theta Iota")),
    Axis("group", listed("Adults Kids Women Men Pupils Staff Guests Locals Teens Seniors")),
)
"""What several series in one chart may be."""

MEASURES = listed(
    "sales,visitors,orders,points,votes,tickets,calls,downloads,members,profit,rainfall,exports,"
    "rentals,bookings,deliveries,repairs,loans,donations,output,savings",
    ",",
)
"""What is measured; each follows "the"."""

PLACES = listed(
    "Ashford,Brookfield,Camden,Dunmore,Easton,Fairview,Glenwood,Harlow,Ivybridge,Kingsley,Langley,"
    "Milton,Norwood,Oakdale,Preston,Queensbury,Redhill,Selby,Thornton,Upton,Walton,Yarmouth",
    ",",
)
"""Where it was measured."""

TITLES = (
    "{Measure} by {noun}",
    "{Measure} per {noun}",
    "{Measure} in {place}",
    "{place}: {measure}",
    "{place} {measure}",
    "{Measure}, {place}",
    "{Measure} by {noun}, {place}",
    "Total {measure} in {place}",
    "{place} {measure} report",
)
