"""How questions about several pictures are worded."""

from collections.abc import Mapping

from triptych.data.worlds import more_ways
from triptych.data.worlds.scenes.words import phrases
from triptych.data.worlds.wording import Phrases, with_more

_DIFFERENCE = phrases(
    """What changed from the first to the second picture?
    what changed
    What is different in the second picture?
    What is the difference between the two pictures?
    difference between the pictures?
    Spot the difference.
    What happened between the first and the second picture?
    Say what has changed.
    Compare both pictures: what changed?
    Tell me what is different in picture 2.
    Which change was made to the first picture?
    Find what changed between the images.""",
    """How does picture 2 differ from picture 1?
    Something may have been edited after the first picture, what was it?
    before and after: what changed?
    Describe the change from one image to the next.""",
)

_WHICH = phrases(
    """Which picture has {a_thing}?
    which picture shows {a_thing}
    In which picture is there {a_thing}?
    Which of the pictures contains {a_thing}?
    Where is there {a_thing}: which picture?
    Which image has {a_thing} in it?
    Find the picture with {a_thing}.
    {a_thing} is in which picture?
    Tell me which picture shows {a_thing}.
    Only one picture has {a_thing}. Which one?
    In which of the images can you see {a_thing}?
    Name the picture that contains {a_thing}.""",
    """I am looking for {a_thing}, which picture is it in?
    Which one has {a_thing}?
    Pick the image with {a_thing}.""",
)

_SAME = phrases(
    """Do both pictures show the same objects?
    do the pictures show the same objects
    Are the objects in both pictures the same?
    Is the second picture the same as the first, but for the background?
    Do the two images show the same things?
    Leaving the background aside, are both pictures the same?
    same objects in both pictures?
    Yes or no: both pictures show the same objects.
    Are the same objects in the first and the second picture?
    Compare the objects: are they the same in both images?
    Tell me whether both pictures show the same objects.
    Did the objects stay the same?""",
    """Would you say these two pictures show identical objects?
    Apart from shades and background, do the images agree?
    Is what you see in picture 2 just what you see in picture 1?""",
)

_COUNT = phrases(
    """How many {things} are in {picture}?
    how many {things} in {picture}
    Count the {things} in {picture}.
    In {picture}, how many {things} are there?
    How many {things} does {picture} show?
    What is the number of {things} in {picture}?
    number of {things} in {picture}?
    Tell me how many {things} {picture} has.
    How many {things} do you see in {picture}?
    Look at {picture}: how many {things} are there?
    Give the number of {things} in {picture}.
    How many {things} can you count in {picture}?""",
    """In {picture}, what is the count of {things}?
    {picture} contains how many {things}?
    I only care about {picture}; how many {things} has it?""",
)

_ATTRIBUTE = phrases(
    """What is the {attribute} of the {thing} in {picture}?
    what {attribute} is the {thing} in {picture}
    In {picture}, what {attribute} does the {thing} have?
    {attribute} of the {thing} in {picture}?
    Name the {attribute} of the {thing} in {picture}.
    Look at {picture}: what is the {attribute} of the {thing}?
    Which {attribute} does the {thing} have in {picture}?
    Tell me the {attribute} of the {thing} in {picture}.
    There is one {thing} in {picture}. What is its {attribute}?
    Give the {attribute} of the {thing} in {picture}.
    The {thing} in {picture}: which {attribute} has it?
    What {attribute} has the {thing} in {picture}?""",
    """I only care about {picture}; which {attribute} has the {thing}?
    See the {thing} in {picture}, and say what {attribute} it has.
    {picture}, the {thing}: {attribute}?""",
)

_FEW_SHOT = phrases(
    """{sentence} What is picture {last}?
    {sentence} And picture {last}?
    {sentence} Which is picture {last}?
    {lines}, {last}:
    {sentence} Name picture {last} likewise.
    {sentence} What do you call picture {last}?
    {sentence} So what is picture {last}?
    Learn the names. {sentence} What is picture {last}?
    {lines}. What is {last}?
    {sentence} Give the word for picture {last}.
    {sentence} By the same rule, what is picture {last}?
    Here are some examples. {sentence} How is picture {last} called?""",
    """{sentence} Following these examples, picture {last} should be called what?
    Labels: {lines}. Label {last}, please.
    {sentence} Complete: picture {last} is a""",
)

PHRASES: Mapping[str, Phrases] = with_more(
    {
        "difference": _DIFFERENCE,
        "which": _WHICH,
        "same": _SAME,
        "count": _COUNT,
        "attribute": _ATTRIBUTE,
        "few_shot": _FEW_SHOT,
    },
    more_ways.PAIRS,
)
"""By kind."""

INVENTED: tuple[str, ...] = (
    *("dax", "wug", "blicket", "toma", "fep", "zib", "modi", "kiki", "bouba", "gazzer", "pilk"),
    *("tulver", "nim", "sarn", "lorp", "vash", "quib", "drell", "mup", "heft", "joon", "karb"),
)
"""Names that mean nothing, for rules that are shown by examples."""

INVENTED_UNSEEN: tuple[str, ...] = ("snorp", "glim", "tren", "yob", "cardel", "pref", "zune", "ulb")
"""Those that are used for testing only."""

ORDINALS: tuple[str, ...] = ("first", "second", "third", "fourth")
