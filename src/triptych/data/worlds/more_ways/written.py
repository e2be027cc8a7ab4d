# ruff: noqa: E501 (a wording a line)
"""More ways to ask about what is written: signs, charts and documents."""

from triptych.data.worlds.rewording import (
    COLOUR,
    Ways,
    asking,
    asking_for,
    musing,
    topic_first,
    two_steps,
    whether,
)


def _reading(sign: str) -> tuple[str, ...]:
    return (
        *asking(
            f"what {sign} says",
            f"what [was|has been] [written|printed|painted|lettered] on {sign}",
            f"what one [reads|can read|sees written] on {sign}",
            f"which [words|word|text|letters|characters] {sign} [has|carries|shows]",
        ),
        *asking_for(
            f"the [text|words|writing|wording|lettering|inscription|content] [on|of] {sign}"
        ),
        f"[Read|Transcribe|Copy|Spell out|Repeat|Quote|Type out] [what is on|the text of|the words on|] {sign}[.|, please.|]",
        f"[What|Which] [words|word|text|letters|characters|writing] [stands|is|are|do you see] on {sign}?",
        f"What [do|can|did] [you|we|I] read on {sign}?",
        f"[How|What] does {sign} read?",
        f"{sign}: what does it [say|read]?",
        *topic_first(
            sign, "[what does it say|what is on it|which text|what can be read|what stands there]"
        ),
        *two_steps(sign, "what it says", "what is [written|printed] on it", "the text on it"),
        *musing(f"what {sign} says", f"what is on {sign}"),
        f"[Note down|Put down|Type|Spell|Report|Give] what [is written|is printed|stands|can be read] on {sign}[.|, please.]",
        f"[Which|What] [message|note|inscription|string|characters] [is|are|do you find|can be seen] on {sign}?",
        f"{sign} [has|shows|carries|displays] [what|which text|which letters]?",
    )


SIGNS: Ways = {
    "signs/read": _reading("[the|this|that] [sign|board]"),
    "signs/read_one": _reading("the {sign}"),
    "signs/where": (
        *asking('where the sign ["{text}"|saying "{text}"|with "{text}" on it] [is|stands|hangs]'),
        *asking_for('the [box|bounding box|rectangle] of the ["{text}" sign|sign with "{text}"]'),
        '[Locate|Find|Box|Frame|Outline|Spot|Highlight] the ["{text}" sign|sign with "{text}"][.|]',
    ),
    "signs/existence": whether(
        '[a|some|one] sign says "{text}"',
        '"{text}" is [written|printed|to be read] [on a sign|anywhere|somewhere]',
    ),
    "signs/count": (
        *asking("how many signs [there are|you see|are shown|hang there]"),
        *asking_for("the [number|amount|quantity] of [signs|boards]"),
    ),
    "signs/colour": (
        *asking(f'[what|which] {COLOUR} the ["{{text}}" sign|sign with "{{text}}"] [is|has]'),
        *asking_for(f'the {COLOUR} of the ["{{text}}" board|sign with "{{text}}" on it]'),
    ),
}

CHARTS: Ways = {
    "charts/value": (
        *asking(
            "what the [value|number|figure] [of|for] {a} is",
            "how [high|large|big|much|many] {a} is",
            "[what|which] [value|number|figure] {a} has",
            "what the {what} for {a} are",
        ),
        *asking_for("the [value|number|reading|amount] [of|for] {a}", "the {what} for {a}"),
        "[What|Which] [value|number|figure|amount] [has|is shown for|do you read for|goes with|belongs to] {a}?",
        "[Read|Look up|Get|Take] [the value of|the number for|the {what} of] {a} [from|in|off] the chart[.|]",
        "[In|On|From|By|According to] [the|this] [chart|diagram|graph|plot], what is {a}?",
        "How [high|large|big|tall|much] [is|are|was] [the value of|the number for|] {a}[| here| in this chart]?",
        "{a} [is|has|shows|stands at|comes to|amounts to] [what|how much|which number]?",
        "For {a}, [what|which] [value|number|figure] [is drawn|do you see|is shown|is there]?",
        *topic_first(
            "{a}", "[what value|how much is it|how high is it|which number|what is its value]"
        ),
        *two_steps("{a}", "its [value|number|figure|amount|height]", "how [high|large|big] it is"),
        *musing("the value of {a}", "how [high|large] {a} is"),
        "{a} [comes to|goes up to|reaches|gets to|arrives at] [what|which] [number|figure|amount|level]?",
        "[How much|What] does [the chart|the diagram|the graph|it] [say|show|give|report] for {a}?",
        "[The|Its] [figure|value|number], I mean that of {a}[?|, please.]",
    ),
    "charts/extreme": (
        *asking("which {noun} [has|shows|had] the {most} [value|number|figure]{scope}"),
        *asking_for("the {noun} with the {most} [value|number|figure|amount]{scope}"),
        "[In|For|At] which {noun} [is|are] the {what} {most}{scope}?",
        "[Which|What] {noun} [is|was|comes out|ranks|scores] [the|] {most}{scope}?",
        *musing("which {noun} has the {most} value{scope}"),
        "[Looking|Going] through all, which {noun} [is|has] the {most} [value|number|]{scope}?",
    ),
    "charts/comparison": (
        *whether(
            "{a} is {more} than {b}", "the [value|number|figure] of {a} is {more} than that of {b}"
        ),
        "[Is|Was] the [value|number|figure] [of|for] {a} {more} than [that of|that for] {b}?",
        "[Has|Does] {a} [got|have|show] a {more} [value|number|figure] than {b}?",
    ),
    "charts/trend": (
        *asking("whether {line} is rising, falling or neither"),
        "[Rising, falling or neither|Is it rising, falling or neither]: what [of|about] {line}?",
    ),
    "charts/difference": (
        *asking("how far {a} and {b} [are apart|differ]"),
        *asking_for("the [difference|gap|distance] between {a} and {b}"),
        "[How much|By how much|How far] [do|are] {a} and {b} [differ|apart]?",
    ),
    "charts/sum": (
        *asking("what {a} and {b} [make|come to|are] together"),
        *asking_for("the [sum|total] of {a} and {b}", "{a} plus {b}"),
        "[Add|Sum|Add up|Total] {a} and {b}[.|]",
    ),
    "charts/title": (
        *asking("what the [chart|diagram|graph] is [called|titled]", "what the title says"),
        *asking_for("the [title|name|headline] of [the|this] [chart|diagram|graph|plot]"),
    ),
    "charts/table": (
        "[Write|Convert|Turn|Make|Change|Translate] [the|this] [chart|diagram|graph|plot] [into|to|as] [a|] JSON [table|object][.|]",
        "[Give|Return|Output|Print|Write] [all|] the [data|values|numbers|figures] of [the|this] [chart|diagram|graph] [as|in] JSON[.|]",
        "[JSON|The table as JSON|The data as JSON|JSON of the chart], please[.|]",
        *asking_for(
            "[the|this] [chart|diagram|graph] as JSON", "the JSON of [the|this] [chart|graph]"
        ),
    ),
}

DOCUMENTS: Ways = {
    "documents/field": (
        *asking(
            "what the {field} [is|says]",
            "[what|which] {field} is [given|printed|written|shown|entered]",
            "what [stands|is written|is printed|one reads] [for|as|under] the {field}",
        ),
        *asking_for("the {field}", "the {field} [on|of|in] [this|the] {document}"),
        "[Read|Read out|Look up|Copy|Find|Extract|Quote|Get|Repeat] the {field}[ from this {document}| for me|][.|, please.|]",
        "[What|Which] {field} [is|was] [given|printed|written|shown|entered|there]?",
        "{field}: [what does it say|what is it|which]?",
        "The {field} [is|says|reads] what?",
        *topic_first(
            "[the|this] {field}", "[what does it say|what is it|which one|what is written]"
        ),
        *two_steps("the {field}", "what it [says|is]", "what is [written|printed] there"),
        *musing("what the {field} [is|says]"),
        "[Note down|Write|Type|Spell out|Report|Give|Show] the {field} [that is shown|as printed|you see|on it][.|, please.]",
    ),
    "documents/json": (
        "[Convert|Turn|Change|Make|Translate|Transform|Parse] [this|the] {document} [into|to] [a|] JSON [object|] [with|having|of] {keys}[.|]",
        "[Give|Return|Output|Print|Write|Provide|Produce] [me|] {keys} [of this|of the|from this] {document} [as|in] JSON[.|]",
        "[Read|Extract|Get|Collect|Take|Copy] {keys} from [this|the] {document} [as|into|in] JSON[.|, please.|]",
        "[As|In] JSON: {keys} of [this|the] {document}[.|]",
        "[I need|I want|I would like|Please give] [this|the] {document} [as|in] JSON with {keys}[.|]",
        "JSON [for|of] [this|the] {document}, [with|fields] {keys}[.|]",
        "[Can|Could|Would] you [write|put|give|turn] [this|the] {document} [as|in|into] JSON with {keys}?",
        "[Express|Represent|Encode|Render|Put|Pack|Bring|Save|Store|Record] [this|the] {document} [as|into|in] [a|] JSON[ object| record|][, with {keys}|: {keys}|. Keys: {keys}|][.|]",
        "[Scan|Capture|Digitalise|Serialise|Process|Summarise] [this|the] {document}[:| as| into] JSON[ with {keys}| of {keys}|][.|]",
        "JSON, please[:|, with|, of] {keys}[.|]",
        "[What|What all] [stands|is written|is printed] on [this|the] {document}[? JSON with|? As JSON:|, in JSON:] {keys}[.|]",
        "[With|Using] the [fields|keys|names] {keys}[, give|, write|: put] [this|the] {document} [as|in|into] JSON[.|]",
        "[A|One] JSON [object|record|entry] [for|about|from] [this|the] {document}[ with {keys}|: {keys}|][.|, please.]",
        "[Save|Collect|Fill|List] {keys} [of|from] [this|the] {document} [in|as|into] a JSON [object|record][.|]",
    ),
    "documents/check": whether(
        "the [items|prices|amounts|lines] add up to the total",
        "the [total|sum] is [right|correct]",
    ),
    "documents/existence": whether(
        "{name} is [on it|listed|on the list|one of the items|in the list]",
        "[this|the] {document} [lists|names|has|mentions|contains] {name}",
    ),
    "documents/label": whether(
        "there is [a|some] [field|line|box] [for|called|labelled] {name}",
        "[this|the] form [has|asks for|contains] {name}",
    ),
}
