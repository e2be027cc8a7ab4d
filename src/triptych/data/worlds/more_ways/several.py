# ruff: noqa: E501 (a wording a line)
"""More ways to ask about several pictures and about clips."""

from triptych.data.worlds.rewording import (
    Ways,
    asking,
    asking_for,
    musing,
    topic_first,
    two_steps,
    whether,
)

PAIRS: Ways = {
    "difference": (
        *asking("what [changed|is different|is new|was changed] [in|from] the second picture"),
        *asking_for("the [change|difference] between [the|both|the two] [pictures|images]"),
        "[What|Which thing] [was changed|has changed|is different|differs] [in the second one|between them|]?",
    ),
    "which": (
        *asking("[which|in which] picture [has|shows|there is|you see] {a_thing}"),
        "[In|On] which [picture|image|one] [is|do you see|can you find|is there] {a_thing}?",
        "[Which|What] [picture|image] [shows|contains|includes|holds] {a_thing}?",
        "{a_thing}: in which [picture|image]?",
    ),
    "same": whether(
        "[both|the two|these two] pictures show the same [things|objects]",
        "[both|the two] [pictures|images] are the same",
    ),
    "count": (
        *asking("how many {things} [there are|you see|are shown|are drawn] in {picture}"),
        *asking_for("the [number|amount|total] of {things} in {picture}"),
        "[Count|Add up|Tally] the {things} [in|of] {picture}[.|]",
        "In {picture}, how many {things} [are there|do you see|can you find|are drawn]?",
    ),
    "attribute": (
        *asking("[what|which] {attribute} the {thing} [in|of] {picture} [has|is]"),
        *asking_for("the {attribute} of the {thing} in {picture}"),
        "In {picture}, [what|which] {attribute} [has|is] the {thing}?",
        "[What|Which] {attribute} [has|is] the {thing} in {picture}?",
    ),
}

CLIPS: Ways = {
    "clips/direction": (
        *asking(
            "[which way|in which direction|where to|what way] the {name} [moves|goes|is moving|flies|runs]",
            "[what|which] direction the {name} [takes|moves in|goes in|has]",
        ),
        *asking_for(
            "the direction [of|in which] the {name}[ moves| goes| travels]",
            "the way the {name} [goes|moves]",
        ),
        "[Which|What] [way|direction] [is|was] the {name} [going|moving|flying|running|drifting]?",
        "[In|To|Towards] [which|what] [direction|side] [is|does] the {name} [go|move|drift|fly|going|moving]?",
        "[Left, right, up or down|Up, down, left or right|Right, left, down or up]: [where does|how does] the {name} [go|move]?",
        "[Look at|Track|Watch|See|Observe] the {name}: [which way|what direction|where does it move]?",
        "The {name} [moves|goes|travels|flies|is moving] [which way|where|in what direction|to which side]?",
        *topic_first(
            "the {name}",
            "[which way|what direction|where does it go|which way does it go|where to]",
        ),
        *two_steps(
            "the {name}",
            "which way it [goes|moves|heads]",
            "[its|the] direction",
            "where it [goes|moves|heads]",
        ),
        *musing("[which way|where] the {name} [goes|moves|heads|is heading]"),
        "[Which way|In which direction|Where to|In what direction] is the {name} [headed|bound|off|on its way]?",
        "[What|Which] [heading|course|path|motion|movement] [has|does the clip give|do you see for] the {name}?",
        "[What|Which] is the [motion|movement|course|path|way] of the {name}[: left, right, up or down|]?",
        "Where does the {name} [head|move|travel|fly|drift|run|wander][| to| towards]?",
        "The {name}: [left, right, up or down|which way is it going|direction|going where|up, down, left, right or still]?",
        "[Name|Give|Tell] the [direction|way|course] [in which|that] the {name} [moves|goes|travels|takes][.|]",
    ),
    "clips/order": (
        *asking("[which|what] [comes|came|appears|is] first, the {one} or the {other}"),
        "[What|Which|Which of them] [appears|arrives|is visible|is there|shows up|comes in|begins] [first|earlier|sooner], the {one} or the {other}?",
        "The {one} or the {other}: [which|what] [is|comes|appears|was there] [first|earlier]?",
        "[Did|Does] the {one} or the {other} [come|appear|arrive|show up] [first|earlier|sooner]?",
        *topic_first(
            "the {one} and the {other}",
            "[which is first|which comes earlier|what appears first|who is first]",
        ),
        *musing("[which|what] comes first, the {one} or the {other}"),
        "[Is|Was] it the {one} or the {other} that [comes|came|appears|appeared|is seen] [first|earlier|sooner]?",
        "[In time|In the clip|In order|As time goes], [which|what] [leads|is first|comes earlier|goes before], the {one} or the {other}?",
        "[Which|What] [is ahead|goes before|precedes|beats the other], the {one} or the {other}?",
    ),
    "clips/speed": (
        *asking("[which|what] [moves|is|goes] faster, the {one} or the {other}"),
        "[Which|What] [is|goes|runs] [faster|quicker], the {one} or the {other}?",
        "The {one} or the {other}: [which|what] is [faster|quicker]?",
    ),
    "clips/count_end": (
        *asking("how many [objects|things|shapes] [there are|are left|are visible] at the end"),
        *asking_for("the number of [objects|things] at the end"),
        "At the end, how many [objects|things|shapes] [are there|can you see|are left]?",
    ),
    "clips/window": (
        *asking("what happens [between|from] {start} s [and|to] {end} s"),
        "[Between|From] {start} s [and|to] {end} s, what [happens|goes on|is happening|do you see]?",
        "[What|Which thing] [happens|goes on] from [second|] {start} [s|] to [second|] {end} [s|]?",
    ),
}
