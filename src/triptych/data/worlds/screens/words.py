"""What is written on the windows of `screens`, and which of it training never shows.

The lists that name things to press share no word, so a name means one thing in a window.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from random import Random
from typing import TypeVar

from triptych.data.worlds.wording import Split

T = TypeVar("T")

_SALT = "24630"
"""Of the hash that holds words out; with this one a fair part of each list, no everyday word."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("\n", " ").split(","))


BUTTONS = _words(
    """Save, Cancel, Apply, Delete, Send, Print, Open, Close, Reset, Retry, Submit, Search, Add,
    Edit, Copy, Share, Export, Import, Upload, Download, Install, Update, Refresh, Connect, Skip,
    Continue, Accept, Decline, Confirm, Undo, Register, Quit, Join, Leave, Reply, Archive, Pause,
    Stop, Start, Record, Play, Browse, Scan, Pay, Order, Book, Vote, Follow, Merge, Sort, Filter,
    Rename, Restore, Verify, Sign in, Log out, Move, Attach, Forward, Translate"""
)
"""Verbs, so that one can ask where to press to save."""

CHECKBOXES = _words(
    """Remember me, Show hidden files, Dark mode, Autosave, Notifications, Keep me logged in,
    Use a proxy, Wi-Fi, Bluetooth, Location, Sync files, Spell check, Word wrap, Line numbers,
    Full screen, Mute sounds, Send reports, Daily backup, Encrypt data, Compress images,
    Show previews, Allow cookies, Block pop-ups, Private window, Use metric units, Flight mode,
    Gift wrap, Express delivery, I agree, Newsletter, Auto-rotate, Night light, Vibration,
    Subtitles, Loop, Shuffle, High contrast, Large text, Snap to grid, Show ruler"""
)

TABS = _words(
    """General, Advanced, Account, Privacy, Security, Network, Display, Audio, Video, Keyboard,
    Mouse, Users, Files, History, Plugins, Themes, Details, Summary, Billing, Members, Layout,
    Colours, Shortcuts, Storage, Battery, Updates, About, Inbox, Drafts, Sent"""
)

APPS = _words(
    """Marlin, Quill, Harbour, Pixelry, Tundra, Notely, Orchard, Beacon, Falcon, Lumen, Cobalt,
    Juniper, Meadow, Atlas, Ember, Ripple, Saffron, Velvet, Willow, Zephyr"""
)
VIEWS = _words(
    """Settings, Preferences, Sign up, New message, New event, Profile, Contact, Feedback, Checkout,
    Options, Setup, Wizard, Printer, Calendar, Reminder, Project, Invoice, Booking, Survey, Backup,
    Player, Editor, Export data, Find text, Welcome, Properties, Report, Address, Timer, Camera"""
)

_PEOPLE = _words("mia, noah, lena, omar, ada, yuki, ivan, rosa, finn, zoe, hugo, nina, karl, priya")
_CITIES = _words(
    "Oslo, Lima, Cairo, Kyoto, Quito, Berlin, Dublin, Hanoi, Lagos, Porto, Riga, Turin"
)
_THINGS = _words("red lamp, blue mug, garden, old map, tea, budget, tickets, guitar, bicycle, soup")
_NUMBERS = tuple(str(number) for number in (*range(3, 100, 7), 120, 250, 404, 512, 1024, 9000))
_DATES = _words("3 Jan, 17 Mar, 8 Apr, 29 May, 12 Jul, 21 Aug, 5 Oct, 14 Nov, 30 Dec")
_MAILS = tuple(f"{name}@{host}" for name in _PEOPLE for host in ("mail.org", "post.net"))
_PHONES = tuple(f"555-{digits}" for digits in range(1203, 9999, 431))

FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_words("Name, User, Author, To, Owner, Guest, Contact name"), _PEOPLE),
    **dict.fromkeys(_words("City, From, Place, Town"), _CITIES),
    **dict.fromkeys(_words("Subject, Note, Item, Topic, Query"), _THINGS),
    **dict.fromkeys(_words("Port, Amount, Pages, Age, Limit, Room, Weight"), _NUMBERS),
    **dict.fromkeys(_words("Date, Due, Birthday"), _DATES),
    **dict.fromkeys(_words("Email, Reply to, Cc"), _MAILS),
    **dict.fromkeys(_words("Phone, Mobile, Fax"), _PHONES),
}
"""Names of text fields, each with what may stand in it."""

RADIOS: Mapping[str, tuple[str, ...]] = {
    "Size": ("Small", "Medium", "Big"),
    "Period": ("Day", "Week", "Month"),
    "Paper": ("A3", "A4", "A5"),
    "Side": ("Left", "Right"),
    "Speed": ("Slow", "Fast"),
    "Quality": ("Low", "High"),
    "Ticket": ("Adult", "Child"),
    "Pay by": ("Card", "Cash"),
    "Travel": ("Bus", "Train", "Car"),
    "Format": ("PNG", "JPG", "GIF"),
    "Milk": ("None", "Cow", "Oat"),
    "Priority": ("Later", "Soon", "Now"),
}
DROPDOWNS: Mapping[str, tuple[str, ...]] = {
    "Language": ("English", "German", "French", "Spanish", "Hindi", "Korean"),
    "Country": ("Norway", "Peru", "Egypt", "Japan", "Canada", "Kenya"),
    "Font": ("Arial", "Courier", "Georgia", "Verdana"),
    "Unit": ("metre", "inch", "foot", "mile"),
    "Zone": ("UTC", "CET", "PST", "IST"),
    "Device": ("Phone 1", "Laptop", "Tablet", "Watch"),
    "Theme": ("Forest", "Ocean", "Desert", "Candy"),
    "Encoding": ("UTF-8", "ASCII", "Latin-1"),
    "Category": ("Books", "Toys", "Music", "Food"),
    "Colour": ("Crimson", "Teal", "Amber", "Violet"),
    "Weekday": ("Monday", "Tuesday", "Friday", "Sunday"),
    "Seat": ("Window", "Aisle", "Middle"),
}
SLIDERS = _words("Volume, Brightness, Zoom, Opacity, Contrast, Balance, Bass, Treble, Blur, Warmth")
LEVELS = tuple(range(5, 100, 5))
"""What a slider may stand at, in percent."""


@cache
def is_held_out(word: str) -> bool:
    """Whether training never shows this word; about one in five, always the same ones."""
    return hashlib.blake2b(f"{_SALT} {word}".encode(), digest_size=4).digest()[0] % 5 == 0


@cache
def _part(words: tuple[str, ...], held_out: bool) -> tuple[str, ...]:
    return tuple(word for word in words if is_held_out(word) == held_out)


def pick(rng: Random, words: Collection[str], split: Split, taken: Collection[str] = ()) -> str:
    """A word that this split may show; every other one of a test was never trained on."""
    free = _free(words, split == "test" and rng.random() < 0.5, taken)
    return rng.choice(free or _free(words, False, taken))


def replacement(
    rng: Random, words: Collection[str], old: str, taken: Collection[str] = ()
) -> str | None:
    """Another word, held out if the old one is; None if there is none left."""
    free = _free(words, is_held_out(old), (*taken, old))
    return rng.choice(free) if free else None


def shown(words: Collection[str], split: Split) -> tuple[str, ...]:
    """The words that this split may show."""
    return tuple(words) if split == "test" else _part(tuple(words), False)


def _free(words: Collection[str], held_out: bool, taken: Collection[str]) -> list[str]:
    return [word for word in _part(tuple(words), held_out) if word not in taken]


def planted(rng: Random, prior: float, name: str, choices: Sequence[T]) -> T:
    """One of the choices; with probability `prior` the one that always goes with this name."""
    free = rng.choice(choices)
    if rng.random() >= prior:
        return free
    digest = hashlib.blake2b(f"prior {name}".encode(), digest_size=4).digest()
    return choices[int.from_bytes(digest, "big") % len(choices)]
