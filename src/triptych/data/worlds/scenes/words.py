"""How questions about scenes of coloured objects are worded."""

from collections.abc import Mapping

from triptych.data.worlds import more_ways
from triptych.data.worlds.wording import Phrases, with_more


def phrases(seen: str, unseen: str) -> Phrases:
    """One wording a line."""
    return Phrases(*(tuple(map(str.strip, ways.strip().split("\n"))) for ways in (seen, unseen)))


_CAPTION = phrases(
    """Describe the picture.
    What is in this picture?
    describe this image
    What do you see?
    Caption this picture.
    Tell me what the image shows.
    Give a short description of this picture.
    what does the picture show
    Write a caption for the image.
    What can be seen here?
    Please describe what is drawn here.
    Say what is in the image.""",
    """Could you put this picture into words?
    Summarise the image in one line.
    what am I looking at?
    I can't see the picture, what is on it?""",
)

_COLOUR = phrases(
    """What colour is the {thing}?
    what color is the {thing}
    Which colour does the {thing} have?
    colour of the {thing}?
    color of the {thing}
    Name the colour of the {thing}.
    The {thing}: what colour is it?
    Tell me the color of the {thing}.
    What is the colour of the {thing}?
    In which colour is the {thing} drawn?
    There is one {thing}. What color does it have?
    Give the colour of the {thing} in one word.""",
    """What's the {thing}'s colour?
    Which color was used for the {thing}?
    I wonder what colour the {thing} is.
    Look at the {thing} and say its color.""",
)

_SHAPE = phrases(
    """What shape is the {thing}?
    what shape is the {thing}
    Which shape does the {thing} have?
    shape of the {thing}?
    Name the shape of the {thing}.
    The {thing}: what shape is it?
    Tell me the shape of the {thing}.
    What is the shape of the {thing}?
    What kind of shape is the {thing}?
    Give the shape of the {thing} in one word.
    What form does the {thing} have?
    Say which shape the {thing} is.""",
    """What's the {thing}'s shape?
    Is the {thing} a circle, a star, or what?
    I wonder what shape the {thing} is.
    Look at the {thing} and name its form.""",
)

_SIZE = phrases(
    """How big is the {thing}?
    how large is the {thing}
    What size is the {thing}?
    size of the {thing}?
    Is the {thing} small, medium or large?
    The {thing}: small, medium or large?
    Tell me the size of the {thing}.
    What is the size of the {thing}?
    Which size does the {thing} have?
    Is the {thing} large, medium or small?
    Give the size of the {thing} in one word.
    Name the size of the {thing}.""",
    """What's the {thing}'s size?
    Would you call the {thing} small, medium or large?
    I wonder how big the {thing} is.
    Look at the {thing} and say how large it is.""",
)

_TEXTURE = phrases(
    """Is the {thing} striped, dotted or solid?
    is the {thing} solid, striped or dotted
    What texture does the {thing} have?
    texture of the {thing}?
    What pattern is on the {thing}?
    The {thing}: striped, dotted or solid?
    Tell me the pattern of the {thing}.
    What is the texture of the {thing}?
    Which pattern does the {thing} have?
    How is the {thing} filled: solid, striped or dotted?
    Give the texture of the {thing} in one word.
    Name the pattern of the {thing}.""",
    """What's the {thing}'s pattern?
    Does the {thing} have dots, stripes or neither; is it dotted, striped or solid?
    I wonder which pattern the {thing} has.
    Look at the {thing}: what texture is it filled with?""",
)

_EXISTENCE = phrases(
    """Is there {a_thing} in the picture?
    is there {a_thing}
    Is there {a_thing}?
    Can you see {a_thing}?
    Do you see {a_thing} in the image?
    Does the picture contain {a_thing}?
    Does this image show {a_thing}?
    {a_thing} in the picture?
    Are there any {things}?
    Is {a_thing} present?
    Tell me whether there is {a_thing}.
    Are any {things} in this image?
    Yes or no: there is {a_thing} here.""",
    """Would I find {a_thing} here?
    Say yes if the picture has {a_thing}, otherwise no.
    any {things}?
    Did someone draw {a_thing} here?""",
)

_COUNT = phrases(
    """How many {things} are there?
    how many {things}
    Count the {things}.
    How many {things} are in the picture?
    How many {things} do you see?
    What is the number of {things}?
    number of {things}?
    Tell me how many {things} there are.
    How many {things} does the image show?
    Give the number of {things} in the image.
    How many {things} can you count?
    Please count all {things}.""",
    """What's the count of {things} here?
    {things}: how many?
    I need to know how many {things} this picture has.
    The picture contains how many {things}?""",
)

_MORE = phrases(
    """Are there more {these} than {those}?
    are there more {these} than {those}
    Do {these} outnumber {those}?
    Does the picture have more {these} than {those}?
    Is the number of {these} greater than the number of {those}?
    Do you see more {these} than {those}?
    more {these} than {those}?
    Are the {these} more numerous than the {those}?
    Yes or no: there are more {these} than {those}.
    Can you count more {these} than {those}?
    Tell me whether there are more {these} than {those}.
    Does the image show more {these} than {those}?""",
    """Would you count more {these} than {those} here?
    Comparing {these} with {those}: are there more of the former?
    Is it true that {these} outnumber {those}?""",
)

_WHICH = phrases(
    """Which are there more of, {these} or {those}?
    which are there more of: {these} or {those}
    What is there more of, {these} or {those}?
    Are there more {these} or more {those}?
    more {these} or more {those}?
    {these} or {those}: which are more numerous?
    Do you see more {these} or more {those}?
    Which outnumber the others, {these} or {those}?
    Does the picture have more {these} or more {those}?
    Of {these} and {those}, which are there more of?
    Tell me which are more numerous: {these} or {those}.
    Which are more frequent here, {these} or {those}?""",
    """Who is in the majority, {these} or {those}?
    Compare the number of {these} and {those}: which is higher?
    If you count {these} and {those}, which are more?""",
)

_LARGER = phrases(
    """Is the {thing} larger than the {other}?
    is the {thing} bigger than the {other}
    Is the {thing} bigger than the {other}?
    Is the {other} smaller than the {thing}?
    Does the {thing} have a larger size than the {other}?
    Compared with the {other}, is the {thing} larger?
    the {thing} larger than the {other}?
    Yes or no: the {thing} is larger than the {other}.
    Would you say that the {thing} is bigger than the {other}?
    Tell me whether the {thing} is larger than the {other}.
    Is the size of the {thing} greater than that of the {other}?
    Does the {thing} look bigger than the {other}?""",
    """Of the two, is it the {thing} that is bigger, not the {other}?
    Does the {thing} exceed the {other} in size?
    Can I say the {other} is the smaller one next to the {thing}?""",
)

_YESNO = phrases(
    """Is the {thing} {relation} the {other}?
    is the {thing} {relation} the {other}
    Is it right that the {thing} is {relation} the {other}?
    Yes or no: the {thing} is {relation} the {other}.
    Can you see the {thing} {relation} the {other}?
    Tell me whether the {thing} is {relation} the {other}.
    the {thing} {relation} the {other}?
    Does the {thing} lie {relation} the {other}?
    In the picture, is the {thing} {relation} the {other}?
    Is the {thing} placed {relation} the {other}?
    Do you find the {thing} {relation} the {other}?
    Would you say the {thing} is {relation} the {other}?""",
    """Is it true that the {thing} is located {relation} the {other}?
    The {thing} sits {relation} the {other}, right?
    Looking from the {other}, would the {thing} be {relation} it?""",
)

_CHOICE = phrases(
    """Is the {thing} {options} the {other}?
    is the {thing} {options} the {other}
    Where is the {thing}: {options} the {other}?
    The {thing} is {options} the {other}?
    Tell me if the {thing} is {options} the {other}.
    {options} the {other}: where is the {thing}?
    Does the {thing} lie {options} the {other}?
    Is the {thing} placed {options} the {other}?
    In the picture, is the {thing} {options} the {other}?
    Say whether the {thing} is {options} the {other}.
    Which is it: is the {thing} {options} the {other}?
    Would you say the {thing} is {options} the {other}?""",
    """Do I find the {thing} {options} the {other}?
    Compared with the {other}, where is the {thing}; is it {options} it?
    the {thing}, is it {options} the {other}?""",
)

_LOCATE = phrases(
    """Where is the {thing}?
    where is the {thing}
    Locate the {thing}.
    Find the {thing}.
    Draw a box around the {thing}.
    Give the bounding box of the {thing}.
    box of the {thing}
    What is the bounding box of the {thing}?
    Mark the {thing} with a box.
    Show me where the {thing} is.
    Box the {thing}.
    In which region is the {thing}?""",
    """Put a frame around the {thing}.
    I am looking for the {thing}, where is it?
    Give me the coordinates of the {thing} as a box.
    Which area does the {thing} take up?""",
)

_POINT = phrases(
    """Point at the {thing}.
    point to the {thing}
    Point to the {thing}.
    Click on the {thing}.
    Give a point on the {thing}.
    Put a point on the {thing}.
    Tap the {thing}.
    Which point lies on the {thing}?
    Show me the {thing} with a point.
    Mark the {thing} with a point.
    Touch the {thing}.
    Where would you click to select the {thing}?""",
    """Place a dot on the {thing}.
    Put your finger on the {thing}.
    Select the {thing} with one click.
    One point inside the {thing}, please.""",
)

_DETECT = phrases(
    """Find all {things}.
    Detect all {things}.
    detect {things}
    Where are the {things}?
    Draw boxes around all {things}.
    Locate every one of the {things}.
    Give the bounding boxes of all {things}.
    Box all {things}.
    List the {things} with their boxes.
    Mark all {things} with boxes.
    Show me where the {things} are.
    Which regions contain {things}?""",
    """Put a frame around each of the {things}.
    I need the boxes of all {things} in this picture.
    boxes for {things}, please
    Localise the {things}.""",
)

PHRASES: Mapping[str, Phrases] = with_more(
    {
        "caption": _CAPTION,
        "attribute/colour": _COLOUR,
        "attribute/shape": _SHAPE,
        "attribute/size": _SIZE,
        "attribute/texture": _TEXTURE,
        "existence": _EXISTENCE,
        "count": _COUNT,
        "comparison/more": _MORE,
        "comparison/which": _WHICH,
        "comparison/larger": _LARGER,
        "relation/yesno": _YESNO,
        "relation/choice": _CHOICE,
        "locate": _LOCATE,
        "point": _POINT,
        "detect": _DETECT,
    },
    more_ways.SCENES,
)
"""By kind, and where a kind is asked in several forms, by form."""
