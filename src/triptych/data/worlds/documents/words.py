"""What stands in documents: shops, goods, people, streets, and how numbers and dates are made up.

Makers take a generator and the split whose words they may use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from triptych.data.worlds.held_out import listed, pair_is_held_out, words_for
from triptych.data.worlds.wording import Split

Maker: TypeAlias = Callable[[Random, Split], str]

SHOP_FIRST = listed(
    "Green Corner Sunny River Village Golden Silver Central Happy Royal Harbour Garden Market City "
    "Valley Hill Forest Lake Star Moon Blue Red Old New Grand Little Prime Fresh Daily Family"
)
SHOP_LAST = listed("Foods Shop Store Mart Grocer Deli Bakery Cafe Kitchen Pantry Outlet Supply")
STREET_FIRST = listed(
    "Mill Park Church High Oak Elm Maple Cedar King Queen Bridge Castle Spring Summer Station "
    "School Orchard Meadow Abbey Tower Canal Dock Field Chapel"
)
STREET_LAST = listed("Road Street Lane Avenue Way Square")
FIRST_NAMES = listed(
    "Anna Ben Carla David Emma Felix Grace Hugo Ines Jonas Kira Leo Maya Noah Olga Paul Rita Sam "
    "Tara Umar Vera Walt Yuri Zoe Alice Bruno Clara Diego Elsa Frank Gina Henry Ivan Julia Kofi "
    "Lena Marco Nadia Oscar Petra Rosa Simon Tina Viktor"
)
LAST_NAMES = listed(
    "Silva Meyer Novak Rossi Khan Lopez Brown Clark Dubois Evans Fischer Garcia Hansen Ito Jensen "
    "Kim Larsen Moreau Nguyen Okafor Patel Quinn Ramos Santos Tanaka Ueda Varga Weber Young Zhang "
    "Ali Berg Costa Diaz Ekman Ford Gray Hall"
)
CITIES = listed(
    "Oslo Rome Paris Lima Cairo Delhi Tokyo Seoul Lagos Accra Quito Bern Prague Vienna Madrid "
    "Lisbon Dublin London Athens Riga Sofia Tunis Rabat Dakar Hanoi Manila Perth Boston Denver "
    "Dallas Havana Milan"
)
JOBS = listed(
    "Cook Nurse Baker Driver Pilot Clerk Guard Doctor Farmer Lawyer Tailor Teacher Painter Plumber "
    "Editor Singer Waiter Welder Butcher Porter Actor Judge Miner Sailor"
)
GOODS = listed(
    "Milk Bread Butter Eggs Cheese Apples Pears Plums Grapes Lemons Bananas Oranges Carrots Onions "
    "Potatoes Tomatoes Beans Rice Pasta Flour Sugar Salt Pepper Honey Jam Tea Coffee Cocoa Juice "
    "Water Soda Yogurt Cream Ham Bacon Sausage Chicken Fish Shrimp Soap Shampoo Tissues Candles "
    "Matches Batteries Sponges Cookies Crackers Muffins Bagels Nuts Raisins Olives Vinegar Mustard "
    "Ketchup Noodles Lentils Spinach Lettuce"
)
WARES = listed(
    "Desk Chair Lamp Shelf Cable Screen Mouse Keyboard Printer Paper Toner Folder Pens Stapler "
    "Drill Hammer Saw Ladder Paint Brush Bricks Cement Timber Nails Screws Tiles Glass Pipes Pump "
    "Filter Motor Battery Charger Camera Tripod Helmet Gloves Boots Tent Rope Stove Kettle Fan "
    "Heater Rug Curtain Mirror Vase"
)
TEAMS = listed(
    "Reds Blues Greens Hawks Bulls Bears Lions Sharks Stars Owls Wolves Foxes Eagles Tigers Royals "
    "Rovers Rangers United Giants Jets Rockets Comets Pirates Knights"
)
_MONTHS = listed("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")


# -- makers ---------------------------------------------------------------------------------------


def shop(rng: Random, split: Split) -> str:
    return f"{rng.choice(words_for(SHOP_FIRST, split))} {rng.choice(SHOP_LAST)}"


def street(rng: Random, split: Split) -> str:
    first = rng.choice(words_for(STREET_FIRST, split))
    return f"{rng.randint(1, 99)} {first} {rng.choice(STREET_LAST)}"


def person(rng: Random, split: Split) -> str:
    """First and last name; some pairs are kept for the split `combinations`."""
    while True:
        first = rng.choice(words_for(FIRST_NAMES, split))
        last = rng.choice(words_for(LAST_NAMES, split))
        if pair_is_held_out(first, last) == (split == "combinations"):
            return f"{first} {last}"


def city(rng: Random, split: Split) -> str:
    return rng.choice(words_for(CITIES, split))


def job(rng: Random, split: Split) -> str:
    return rng.choice(words_for(JOBS, split))


def date(rng: Random, split: Split) -> str:
    """A day between 2015 and 2029."""
    return _day_in(rng, 2015, 2029)


def birthday(rng: Random, split: Split) -> str:
    """A day between 1940 and 2012."""
    return _day_in(rng, 1940, 2012)


def _day_in(rng: Random, first_year: int, last_year: int) -> str:
    """A day in one of four ways to write it."""
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(first_year, last_year)
    form = rng.choice(("{y}-{m:02}-{d:02}", "{d:02}/{m:02}/{y}", "{d} {name} {y}", "{d}.{m}.{y}"))
    return form.format(d=day, m=month, y=year, name=_MONTHS[month - 1])


def phone(rng: Random, split: Split) -> str:
    form = rng.choice(("555-####", "0## ### ####", "(0##) ####", "07## ######"))
    return digits(rng, form)


def digits(rng: Random, form: str) -> str:
    """The form with every # a digit."""
    return "".join(str(rng.randint(0, 9)) if sign == "#" else sign for sign in form)


def invoice_number(rng: Random, split: Split) -> str:
    return digits(rng, rng.choice(("INV-####", "A-#####", "20##/###", "R#####")))


def email(rng: Random, split: Split) -> str:
    name = rng.choice(words_for(FIRST_NAMES, split)).lower()
    return f"{name}{rng.randint(1, 99)}@{rng.choice(('mail', 'post', 'web'))}.com"


def numbers(low: int, high: int) -> Maker:
    """A maker of whole numbers."""

    def make(rng: Random, split: Split) -> str:
        return str(rng.randint(low, high))

    return make


def coded(form: str) -> Maker:
    """A maker of codes with digits for every #."""

    def make(rng: Random, split: Split) -> str:
        return digits(rng, form)

    return make


def clock(rng: Random, split: Split) -> str:
    return f"{rng.randint(5, 23):02}:{rng.randrange(0, 60, 5):02}"


def grade(rng: Random, split: Split) -> str:
    return rng.choice("ABCDEF")


def amount(rng: Random, split: Split) -> str:
    return f"{rng.randint(1, 39)}.{rng.randrange(0, 100, 5):02}"


# -- forms and tables -----------------------------------------------------------------------------

FORM_TITLES = listed(
    "Membership form,Visitor form,Registration,Library card,Parking permit,Job application,"
    "Sports club,Course sign-up,Patient form,Lost property",
    ",",
)
FORM_FIELDS: dict[str, Maker] = {
    "Name": person,
    "Date of birth": birthday,
    "Phone": phone,
    "Street": street,
    "City": city,
    "Email": email,
    "Job": job,
    "Member no.": coded("######"),
    "Room": numbers(100, 499),
    "Date signed": date,
}
"""Labels of a form with what is filled in."""


@dataclass(frozen=True, slots=True)
class TableKind:
    """What a table lists."""

    heading: str
    """Of the first column, which names the rows."""
    names: tuple[str, ...]
    columns: tuple[tuple[str, Maker], ...]


TABLE_KINDS = {
    "Staff": TableKind("Name", FIRST_NAMES, (("Job", job), ("Room", numbers(100, 499)))),
    "Trains": TableKind("To", CITIES, (("Time", clock), ("Platform", numbers(1, 24)))),
    "Stock": TableKind("Item", WARES, (("Count", numbers(2, 400)), ("Bay", coded("C##")))),
    "Results": TableKind("Team", TEAMS, (("Rank", numbers(1, 30)), ("Score", numbers(1, 99)))),
    "Class": TableKind("Pupil", FIRST_NAMES, (("Age", numbers(6, 18)), ("Grade", grade))),
    "Prices": TableKind("Item", GOODS, (("Small", amount), ("Large", amount))),
    "Trips": TableKind("City", CITIES, (("Date", date), ("Size", numbers(2, 90)))),
}
"""By the word their titles begin with."""

PLACES = listed(
    "Ashford Brookfield Camden Dunmore Easton Fairview Glenwood Harlow Kingsley Langley Milton "
    "Norwood Oakdale Preston Redhill Selby Thornton Upton Walton Yarmouth"
)
