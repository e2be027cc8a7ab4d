"""What may be written on signs: real words, misspelt ones, codes, and numbers.

About a third of the texts are no words at all, so that a model has to read and cannot guess.
One word in seven is kept for testing; no such word is ever on a sign that is trained on, not
even as a misspelling of another.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from random import Random
from typing import Literal, TypeAlias

from triptych.data.worlds.held_out import stable_share

TextKind: TypeAlias = Literal["word", "number", "random"]
TEXT_KINDS: tuple[TextKind, ...] = ("word", "number", "random")
"""`random` are letter strings, codes like B-204, and words with one letter wrong."""

_WORDS = """
    am at be by do go he if in is it me my no of on or so to up us we
    add air all and ant arm art bag bar bed bee big box boy bus buy car cat cow cup cut day dog dry
    ear eat egg end far fee few fly fox fun gas gym hat hot ice ink jam jar jet job key kid law leg
    log low man map mix mud net new nut oak oil old one out own pan pay pen pet pie pig pub put ram
    red run sad sea see sit sky sun tea ten tie tip top toy two van war way web wet win yes zoo
    area auto baby back ball band bank bath bear bell best bike bird blue boat body bone book boot
    bowl bush busy cafe cake call camp card care cash city clay club coal coat cold come cook cool
    copy corn dark date deal deep deer desk dish dive door down duck dust duty east easy edge exit
    face fair farm fast file film fire fish flag food foot fork free frog fuel full game gate gift
    girl goal gold golf good grey half hall hand hard head help hero high hill home hope host hour
    idea iron jazz jump keep kind king kiss kite lake lamp land lane last late lead leaf left life
    lift line lion list live load lock long look lost loud love luck main mall many mark meal meat
    menu milk mind mint moon more moss move name near neck nest news next nine noon note open oven
    over pack page park part past path pear pick pink pipe play plum pool port post pull push quay
    quiz race rain read rest rice ride ring road rock roof room rope rose safe sail salt sand seat
    seed sell ship shoe shop show side silk slow snow soap sock soft soup spot star stay step stop
    swim tall tank taxi team tent test time tool tour town tram tree trip tube tuna turn vase vote
    wait walk wall warm wash wave week west wide wind wine wing wood wool work yard year zone
    actor adult alarm apple beach berry black blend board brain brand bread brick bring brown brush
    cabin candy chair cheap check chest chief child clean clear clock cloth cloud coast cream crowd
    daily dairy dance diner dozen dream dress drink drive eagle early earth eight empty enter entry
    event extra ferry field fifty fight final first flame floor flour fresh front fruit ghost giant
    glass globe grand grape grass great green group guard guest guide happy heart heavy hello horse
    hotel house human juice kebab lemon level light lobby local lunch magic maple march metal model
    money motel motor mount mouse music night north novel ocean offer olive onion opera order paint
    panel paper party pasta patio peace phone photo piano pilot pizza place plant plate plaza point
    pound power press price pride prime print prize queen quick quiet radio ranch ready relax rider
    right river robin rooms round royal salad salon sauce sauna scale scene scout seven shade shape
    sharp sheep shelf shell shine shirt shoes short skill sleep slope small smart smile smoke snack
    solid south space spice sport spray staff stage stamp start state steak steam stone store storm
    story study style sugar super sweet table taste teeth tiger toast today tower track trade trail
    train treat truck trust upper vapor video villa visit voice wagon watch water wheel white world
    yacht young
    animal annual arcade arrive artist autumn avenue bakery banana basket beauty branch bridge
    bright broken bronze bucket budget butter button camera candle castle cattle cellar centre
    chance change charge cheese church cinema circle closed coffee cookie corner cotton credit
    dental detour dinner doctor double engine family flower forest former fridge future galaxy
    garage garden golden grocer ground guitar hammer harbor health height helmet honest island
    jacket jungle ladder laptop lawyer leader leaves letter lights little locker lounge margin
    marina market master meadow medium member middle mirror mobile modern museum narrow nature
    needle normal notice number office online orange outlet parade pastry pencil people pepper
    petrol picnic planet player pocket poetry police polish postal potato powder public pupils
    puzzle rabbit rental repair rescue resort result return ribbon rocket saddle safety salmon
    sample school screen season second secret senior shadow shower shrimp silver simple single
    sister soccer spring square stable stairs statue street studio summer sunday sunset supply
    switch tailor temple tennis ticket tomato tunnel turtle unique valley velvet violet walnut
    window winter wonder yellow yogurt
    academy airport antique balcony bargain bicycle brewery butcher cabinet captain caution chamber
    charity chicken classic college comfort concert control cottage counter country crystal culture
    cushion customs deliver dessert digital dolphin drawing evening factory fashion feather finance
    fishing fitness flowers forward freedom freight gallery general gourmet grocery harvest highway
    history holiday imports journey justice kingdom kitchen lantern laundry leather lecture library
    lottery luggage machine meeting message million monster morning mustard nursery parking passage
    pattern penguin perfect picture plastic popular pottery premium private product program pumpkin
    quality quarter railway reading receipt recycle reserve roasted science seafood section service
    shelter shuttle silence special stadium station storage student sunrise surgery theater tobacco
    toilets tourist traffic trouble uniform vehicle village vintage visitor volcano walking warning
    wedding weekend welcome western whisper
    aquarium audience bathroom birthday boutique building business calendar campsite children
    cleaners computer corridor customer delivery dentists director discount distance elephant
    entrance envelope exchange exercise fountain function hardware heritage homemade hospital
    industry keyboard kitchens language magazine mountain northern notebook opposite painting
    personal pharmacy platform pleasure printing progress property radiator railroad register
    sandwich security shopping software souvenir speaking standard sunshine swimming tomorrow
    treasure triangle umbrella universe vacation workshop
    adventure afternoon apartment attention breakfast butterfly cafeteria carpenter chemistry
    chocolate community conductor crocodile directory education emergency equipment furniture
    gardening important insurance jewellery lifeguard newspaper orchestra passenger pineapple
    president reception reduction rehearsal restrooms riverside sculpture solicitor telephone
    vegetable volunteer waterfall wholesale
    appliances blacksmith collection conference electrical excellence friendship generation
    greenhouse laboratory lighthouse motorcycle playground population profession quarantine
    reflection restaurant skyscraper stationery strawberry television toothbrush trampoline
    understand university watermelon
    accessories
"""

WORDS: tuple[str, ...] = tuple(sorted({one for one in _WORDS.split() if 2 <= len(one) <= 10}))
"""All in lower case, of two to ten letters."""

HELD_OUT_SHARE = 0.15
"""Of all words, how many are kept for the split `test`."""

CONFUSABLE = ({"i", "l", "1", "j"}, {"o", "0", "q", "d"}, {"s", "5"}, {"z", "2"}, {"b", "8"})
"""Letters and digits that are hard to tell apart in some font, so never stand for each other."""

# Neither O and 0 nor I, l and 1: a code is read without help from knowing words.
_LETTERS = "abcdefghjkmnprstuvwxyz"
_DIGITS = "0123456789"


def held_out(text: str) -> bool:
    """Whether this word is kept for testing, whatever its case."""
    return stable_share(text.lower()) < HELD_OUT_SHARE


@lru_cache(maxsize=2)
def words_of(tested: bool) -> tuple[str, ...]:
    """The words that are for testing, or those that are not."""
    return tuple(one for one in WORDS if held_out(one) == tested)


@lru_cache(maxsize=2)
def _by_length(tested: bool) -> dict[int, tuple[str, ...]]:
    lengths = range(2, 11)
    return {n: tuple(one for one in words_of(tested) if len(one) == n) for n in lengths}


def allowed(text: str, tested: bool) -> bool:
    """Whether a text may be on a sign: no word of the other side, even by accident."""
    return text.lower() not in _forbidden(tested)


@lru_cache(maxsize=2)
def _forbidden(tested: bool) -> frozenset[str]:
    return frozenset(words_of(not tested))


# -- making texts ---------------------------------------------------------------------------------


def make_text(kind: TextKind, longest: int, tested: bool, rng: Random) -> str:
    """A new text of two (a number: one) to `longest` characters, `longest` at least 4."""
    makers = {"word": _word, "number": _number, "random": _random}
    while True:
        text = makers[kind](longest, tested, rng)
        if len(text) <= longest and allowed(text, tested):
            return text


def _word(longest: int, tested: bool, rng: Random) -> str:
    # Lengths first, evenly: a plain choice would be of five letters most of the time.
    return _cased(rng.choice(_by_length(tested)[rng.randint(2, min(10, longest))]), rng)


def _number(longest: int, tested: bool, rng: Random) -> str:
    form = rng.choice(("plain", "plain", "price", "time"))
    if form == "price":
        whole = rng.choice((rng.randint(1, 9), rng.randint(10, 99)))
        text = f"{whole}.{rng.randint(0, 9)}{rng.choice('059')}"
        return rng.choice((f"${text}", text, f"${whole}"))
    if form == "time":
        return f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}"
    length = rng.randint(1, min(6, longest))
    return str(rng.randint(10 ** (length - 1) if length > 1 else 0, 10**length - 1))


def _random(longest: int, tested: bool, rng: Random) -> str:
    form = rng.choice(("letters", "letters", "misspelt", "misspelt", "code", "plate"))
    if form == "letters":
        length = rng.randint(2, min(8, longest))
        return _cased("".join(rng.choice(_LETTERS) for _ in range(length)), rng)
    if form == "misspelt":
        return misspell(_word(longest, tested, rng), tested, rng)
    if form == "code":
        digits = "".join(rng.choices(_DIGITS, k=rng.randint(1, 3)))
        return f"{rng.choice(_LETTERS).upper()}-{digits}"
    letters = "".join(rng.choices(_LETTERS, k=rng.randint(1, 3))).upper()
    return letters + "".join(rng.choices(_DIGITS, k=rng.randint(1, 4)))


def _cased(text: str, rng: Random) -> str:
    case = rng.choice((str.upper, str.upper, str.lower, str.title))
    return case(text)


# -- near misses ----------------------------------------------------------------------------------


def misspell(text: str, tested: bool, rng: Random) -> str:
    """The text with one letter or digit replaced by another that cannot be mistaken for it."""
    places = [index for index, char in enumerate(text) if char.isalnum()]
    while True:
        index = rng.choice(places)
        other = replaced(text, index, _another(text[index], rng))
        if allowed(other, tested):
            return other


def replaced(text: str, index: int, char: str) -> str:
    """The text with another character at this place."""
    return text[:index] + char + text[index + 1 :]


def _another(char: str, rng: Random) -> str:
    pool = _DIGITS if char.isdigit() else _LETTERS
    alike = {char.lower()}.union(*(group for group in CONFUSABLE if char.lower() in group))
    other = rng.choice([one for one in pool if one not in alike])
    return other.upper() if char.isupper() else other


def near_words(text: str, tested: bool) -> tuple[str, ...]:
    """Real words that differ from the text in one letter, in the text's own case."""
    lower = text.lower()
    near = [
        one
        for index in range(len(lower))
        for one in _by_pattern(tested).get(replaced(lower, index, "?"), ())
        if one != lower
    ]
    return tuple(_in_case_of(text, one) for one in near)


@lru_cache(maxsize=2)
def _by_pattern(tested: bool) -> dict[str, tuple[str, ...]]:
    patterns: dict[str, tuple[str, ...]] = {}
    for one in words_of(tested):
        for index in range(len(one)):
            pattern = replaced(one, index, "?")
            patterns[pattern] = (*patterns.get(pattern, ()), one)
    return patterns


def _in_case_of(text: str, other: str) -> str:
    if text.isupper():
        return other.upper()
    return other.title() if text[0].isupper() else other


def another_text(text: str, kind: TextKind, tested: bool, rng: Random, num_tries: int = 8) -> str:
    """A text that is not this one but could be: of the same kind, and of its length if it can."""
    other = text
    for _ in range(num_tries):
        other = _in_case_of(text, make_text(kind, max(4, len(text)), tested, rng))
        if len(other) == len(text) and other.lower() != text.lower():
            return other
    return misspell(text, tested, rng) if other.lower() == text.lower() else other


def clashes(text: str, others: Iterable[str]) -> bool:
    """Whether a text is one of the others, contains one or is part of one, in whatever case.

    With `12` on one sign and `12:45` on another nobody could say which sign has 12 on it.
    """
    lower = text.lower()
    return any(lower in other.lower() or other.lower() in lower for other in others)


def absent_text(
    text: str, kind: TextKind, present: Collection[str], tested: bool, rng: Random
) -> tuple[str, str]:
    """A text that no sign shows, like one that a sign does; and how it is like it.

    Two in three are hard: one letter differs. Words mostly turn into words and misspellings into
    what was meant, or a model could answer by whether the text is a word.
    """
    near = near_words(text, tested)
    while True:
        likeness, other = "one letter", ""
        if kind == "word":
            other = _absent_word(text, near, tested, rng)
        elif rng.random() < 0.67:
            is_word = near and rng.random() < 0.9
            other = rng.choice(near) if is_word else misspell(text, tested, rng)
        if not other:
            likeness, other = "same kind", another_text(text, kind, tested, rng)
        if not clashes(other, present):
            return other, likeness


def _absent_word(text: str, near: Sequence[str], tested: bool, rng: Random) -> str:
    """A misspelling, or a word that is one letter away; nothing where there is none."""
    if rng.random() < 0.3:
        return misspell(text, tested, rng)
    return rng.choice(near) if near and rng.random() < 0.8 else ""
