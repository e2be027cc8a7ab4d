# ruff: noqa: E501 (a wording a line)
"""More ways to ask, for training: by world and kind, each line standing for many wordings."""

from collections.abc import Mapping

from triptych.data.worlds.rewording import HERE, asking, asking_for, whether

Ways = Mapping[str, tuple[str, ...]]

_COLOUR = "[colour|color]"
_PICTURE = "[picture|image|drawing|scene|photo]"
_SHOWN = "[drawn|shown|visible|present|to be seen|among these|in view|anywhere|somewhere]"
_SIZES = "[small, medium or large|large, medium or small|medium, small or large]"
_TEXTURES = "[striped, dotted or solid|solid, striped or dotted|dotted, solid or striped]"


def _attribute(noun: str) -> tuple[str, ...]:
    return (
        *asking(f"[what|which] {noun} the {{thing}} [is|has|shows|comes in]"),
        *asking_for(f"the {noun} of the {{thing}}", f"the {noun} that the {{thing}} has"),
        f"[What|Which] {noun} [has|is|do you see on|would you call|was given to] the {{thing}}{HERE}?",
        f"[The|Take the|Find the|See the] {{thing}}: [what|which] {noun}?",
        f"[There is|I see|Here is] one {{thing}}; [what|which] {noun} is it?",
        f"[Of|About|Concerning|Regarding|For] the {{thing}}, [what|which] is [its|the] {noun}?",
        f"{{thing}} - [what|which] {noun}?",
        f"Do you know [its|the] {noun}, I mean that of the {{thing}}?",
    )


SCENES: Ways = {
    "caption": (
        f"[Describe|Explain|Outline|Sketch|Report on|Tell me about] [this|the] {_PICTURE}[.|, please.|]",
        "[What|Which things] [do you see|can you see|can you make out|did they draw] [here|in it]?",
        "[Tell me|Say|Write|Let me hear] what [is drawn|you see|is shown|there is] [here|in it][.|]",
        f"[A|One|Give me a|I need a|Write a] [caption|description|summary] of [this|the] {_PICTURE}[.|, please]",
        f"In [a few|simple|your own] words, what [is in|does one see in|is drawn in] this {_PICTURE}?",
        f"[Help a blind person|Imagine I am blind|My eyes are bad]: what is in the {_PICTURE}?",
    ),
    "attribute/colour": _attribute(_COLOUR),
    "attribute/shape": (
        *_attribute("[shape|form]"),
        "[What kind of thing|Which figure|What figure|Which form] is the {thing}?",
        "[Is|Would you say] the {thing} [is|] a square, a circle or [something else|another shape]?",
    ),
    "attribute/size": (
        *_attribute("size"),
        f"Is the {{thing}} [rather|] {_SIZES}{HERE}?",
        f"{_SIZES}: [which|what] is the {{thing}}?",
        f"[How big|How large] [is|was|did they draw|does one see] the {{thing}}{HERE}?",
        *asking("how [big|large] the {thing} is", f"if the {{thing}} is {_SIZES}"),
    ),
    "attribute/texture": (
        *_attribute("[texture|pattern|filling]"),
        f"Is the {{thing}} [rather|] {_TEXTURES}{HERE}?",
        f"{_TEXTURES}: [which|what] is the {{thing}}?",
        "How [is|was|did they fill|do you find] the {thing} [filled|painted|patterned|drawn inside]?",
        *asking("how the {thing} is [filled|patterned]", f"if the {{thing}} is {_TEXTURES}"),
    ),
    "existence": (
        *whether(
            "there is {a_thing}",
            f"{{a_thing}} is {_SHOWN}",
            f"[this|the] {_PICTURE} [has|shows|contains|includes|holds|features] {{a_thing}}",
            "[you|I|we|one] can [see|spot|find|make out|notice] {a_thing}",
        ),
        f"[Is|Was] {{a_thing}} {_SHOWN}?",
        f"[Does|Could|Might] [this|the] {_PICTURE} [have|show|contain|include|hold] {{a_thing}}?",
        "[Do|Can|Could|Did] [you|we] [spot|notice|find|make out|detect|discover] {a_thing}[| here]?",
        "{a_thing}: [is it here|is it there|yes or no|present or not|do you see one]?",
        "Are [some|there some|there] {things} [here|shown|around|drawn|in view]?",
        "Among [these|the|all] [things|objects|shapes], is there {a_thing}?",
        "[Check for|Search for|Look out for|Look for] {a_thing}: [is it there|is there one|found]?",
        "[Has the picture|Has the artist|Have they] [got|drawn|put in] {a_thing}?",
    ),
    "count": (
        *asking(
            "how many {things} [there are|you see|are drawn|are visible|are shown|we have|appear]",
            "how many [of them are|of these are] {things}",
        ),
        *asking_for("the [number|amount|total|quantity] of {things}"),
        f"How many {{things}} [exist|appear|can be seen|are visible|are drawn|are shown|come up]{HERE}?",
        f"[Count|Count up|Add up|Tally|Number] [the|all the|all|only the] {{things}}{HERE}[.|]",
        "How many [things|objects|shapes] here are {things}?",
        "[For|Of|As for] {things}, how many [are there|do you count|can you find]?",
        "[If you go through|Going over|Checking] all {things}, how many [are they|do you get]?",
    ),
    "comparison/more": (
        *whether(
            "there are more {these} than {those}",
            "[the|] {these} are [more|in greater number] than [the|] {those}",
            "[you|one] can [see|find|count] more {these} than {those}",
        ),
        f"[Does|Could] this {_PICTURE} [have|show|contain|hold] more {{these}} than {{those}}?",
        "[Set against|Next to|As against] {those}, are there more {these}?",
    ),
    "comparison/which": (
        *asking(
            "[what|which] there are more of, {these} or {those}",
            "whether there are more {these} or more {those}",
        ),
        "[Which|What] [group|kind|sort] is [larger|bigger], {these} or {those}?",
        "[More|Are there more|Do you count more|Can you find more] {these} or [more|] {those}?",
        "{these} or {those}: of which [are there|do you see|can you count] more?",
    ),
    "comparison/larger": (
        *whether(
            "the {thing} is [larger|bigger] than the {other}",
            "the {other} is smaller than the {thing}",
        ),
        "[Set against|Next to|Beside] the {other}, is the {thing} [larger|bigger]?",
        "[Does|Would] the {thing} [take up more room|need more space] than the {other}?",
    ),
    "relation/yesno": (
        *whether(
            "the {thing} is {relation} the {other}",
            "the {thing} [stands|lies|sits|is found|is drawn|is located] {relation} the {other}",
        ),
        f"[Is|Was] the {{thing}} [drawn|found|located|positioned|shown|sitting|standing] {{relation}} the {{other}}{HERE}?",
        "{relation} the {other}: is that where the {thing} [is|stands|lies]?",
        "[Can|Would|Could] [one|you|I] find the {thing} {relation} the {other}?",
        "The {thing} {relation} the {other}: [true|correct|yes or no|is that so]?",
    ),
    "relation/choice": (
        *asking(
            "[whether|if] the {thing} is {options} the {other}",
            "where the {thing} [is|lies|stands], {options} the {other}",
        ),
        "[Is|Was] the {thing} [drawn|found|located|positioned|standing] {options} the {other}?",
        "[Seen|Looked at|Going] from the {other}, is the {thing} {options} it?",
        "The {thing} and the {other}: [is|does] the first [one|] [lie|] {options} the second[ one|]?",
        "[Do|Would] you [see|find|put] the {thing} {options} the {other}?",
    ),
    "locate": (
        *asking("where the {thing} [is|lies|stands|sits|can be found]"),
        *asking_for(
            "the [box|bounding box|rectangle|region|area] of the {thing}",
            "[a|the] [box|rectangle|frame] around the {thing}",
        ),
        "[Box|Frame|Outline|Mark|Highlight|Surround|Enclose] the {thing} with a [box|rectangle][.|]",
        f"[Locate|Find|Localise|Detect|Spot|Search for|Look for] the {{thing}}{HERE}[.|, please.|]",
        "[In|On] which [part|area|region|spot|place] [of the picture|] is the {thing}?",
        "Where [can I find|do you see|did they put|exactly is|about is|in the picture is] the {thing}?",
        "[What|Which] [coordinates|box|corners] [does|has] the {thing} [have|got|]?",
    ),
    "point": (
        f"[Point at|Point to|Click|Click on|Tap|Tap on|Touch|Press|Hit|Aim at|Select] the {{thing}}{HERE}[.|]",
        "[Set|Put|Make|Drop|Draw|Leave] a [point|mark|pin|cross|spot] [on|in|inside] the {thing}[.|]",
        "[Move|Bring|Put|Place] the [cursor|mouse|pointer] [on|onto|over|to] the {thing}[.|]",
        *asking_for("[a|one] point [on|in|inside] the {thing}"),
        "Where [do|should|must|can] I [click|tap|press|touch|point] to [hit|get|select|choose] the {thing}?",
        *asking("where to [click|tap|press|point] for the {thing}"),
    ),
    "detect": (
        *asking_for("the [boxes|bounding boxes|rectangles|regions] of all {things}"),
        f"[Box|Frame|Outline|Mark|Highlight] [all|every one of the|each of the] {{things}}{HERE}[.|]",
        "[Locate|Find|Detect|Spot|List|Search for|Show me] [all|all the|all of the] {things}[.|, please.|]",
        *asking("where [all the|all|the] {things} are"),
        "Where [can I find|do you see|are] all [the|] {things}?",
    ),
}


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
        *asking(f'[what|which] {_COLOUR} the ["{{text}}" sign|sign with "{{text}}"] [is|has]'),
        *asking_for(f'the {_COLOUR} of the ["{{text}}" board|sign with "{{text}}" on it]'),
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
    ),
    "charts/extreme": (
        *asking("which {noun} [has|shows|had] the {most} [value|number|figure]{scope}"),
        *asking_for("the {noun} with the {most} [value|number|figure|amount]{scope}"),
        "[In|For|At] which {noun} [is|are] the {what} {most}{scope}?",
        "[Which|What] {noun} [is|was|comes out|ranks|scores] [the|] {most}{scope}?",
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
    ),
    "documents/json": (
        "[Convert|Turn|Change|Make|Translate|Transform|Parse] [this|the] {document} [into|to] [a|] JSON [object|] [with|having|of] {keys}[.|]",
        "[Give|Return|Output|Print|Write|Provide|Produce] [me|] {keys} [of this|of the|from this] {document} [as|in] JSON[.|]",
        "[Read|Extract|Get|Collect|Take|Copy] {keys} from [this|the] {document} [as|into|in] JSON[.|, please.|]",
        "[As|In] JSON: {keys} of [this|the] {document}[.|]",
        "[I need|I want|I would like|Please give] [this|the] {document} [as|in] JSON with {keys}[.|]",
        "JSON [for|of] [this|the] {document}, [with|fields] {keys}[.|]",
        "[Can|Could|Would] you [write|put|give|turn] [this|the] {document} [as|in|into] JSON with {keys}?",
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


def _clicking(*things: str) -> tuple[str, ...]:
    return tuple(
        way
        for thing in things
        for way in (
            f"[Click|Click on|Press|Tap|Hit|Touch|Select|Point at|Point to|Use|Go to] {thing}[.|, please.|]",
            f"[Move|Bring|Take|Put] the [mouse|cursor|pointer] [to|onto|over] {thing}[.|]",
            f"Where [is|do I find|can I find|do you see] {thing}?",
            f"Where [do|should|must|can] I [click|press|tap|point] [for|to use|to get] {thing}?",
            f"[Show|Give|Tell|Find] me [the place of|a point on|] {thing}[.|]",
            f"[Give|Name|Return] [a|the] point [on|of] {thing}[.|]",
        )
    )


SCREENS: Ways = {
    "click button": (
        *_clicking("[the|] '{name}'", "the [button|key] {name}", "the [button|key] '{name}'"),
        "[I want|I would like|I need|Help me] to {lower}[.|: where?|. Where do I click?]",
        "How [can|do] I {lower}?",
    ),
    "click checkbox": (
        *_clicking("the [checkbox|check box|option|box] {name}", "the [checkbox|option] '{name}'"),
        "[Toggle|Switch|Check|Uncheck|Change] [the|] [option|box|setting|] '{name}'[.|]",
    ),
    "click field": (
        *_clicking("the [field|text field|input|entry] {name}", "the [field|input] '{name}'"),
        "Where [do|can|should] I [type|write|enter|put|fill in] [the|] {name}?",
    ),
    "click radio": (
        *_clicking("the [choice|option|radio button] {name}", "the [option|choice] '{name}'"),
        "[Choose|Pick|Take|Select|Set it to|Change to] [the option|] {name}[.|]",
    ),
    "click dropdown": (
        *_clicking("the [list|dropdown|menu|selector] {name}", "the [list|menu] '{name}'"),
        "[Open|Unfold|Show|Pull down] the [list|dropdown|menu|options] [of|for|] {name}[.|]",
        "Where [do|can] I [choose|set|select|change] [the|another] {name}?",
    ),
    "click tabs": (
        *_clicking("the [tab|page] {name}", "the [tab|page] '{name}'", "the {name} [tab|page]"),
        "[Open|Show|Go to|Turn to|Jump to|Move to] [the|] {name} [tab|page|][.|]",
        "[I want|I would like|I need] to see [the tab|the page|] {name}[.|]",
    ),
    "state checkbox": whether(
        "'{name}' is [ticked|checked|on|switched on|set|enabled]",
        "[the box of|the option|the tick of] {name} is [set|on|there]",
    ),
    "state greyed": whether("{name} is [greyed out|disabled|dimmed|inactive|not available]"),
    "state usable": whether("{name} [can be pressed|can be clicked|is usable|is available|works]"),
    "state field": (
        *asking("what [is|stands|was typed|was written|one reads] in [the field|] '{name}'"),
        *asking_for("the [content|text|value|entry] of [the field|] {name}"),
    ),
    "state radio": (
        *asking("[what|which option] is [chosen|selected|picked|set] [for|under|in] {name}"),
        *asking_for("the [choice|option|selection] [made|chosen|set] for {name}"),
    ),
    "state dropdown": (
        *asking("[what|which entry] is [chosen|selected|picked|set|shown] in [the list|] {name}"),
        *asking_for("the [selected|chosen|shown] [entry|value|option] of [the list|] {name}"),
    ),
    "state slider": (
        *asking("[how high|how much|how far up|at what value] {name} is [set|]"),
        *asking_for("the [value|level|position|number] of [the slider|] {name}"),
    ),
    "state tabs": (
        *asking("[which|what] tab is [open|shown|active|selected|in front]"),
        *asking_for("the [open|active|current|selected|shown] tab"),
    ),
    "existence": whether(
        "there is [a|some] {what} {name}",
        "[this|the] [window|screen|dialogue] [has|shows|contains] a {what} [called|named|] {name}",
    ),
    "read_title": (
        *asking("what the [window|screen|dialogue] is [called|titled]", "what the title [says|is]"),
        *asking_for("the [title|name|caption] of [this|the] [window|screen|dialogue]"),
    ),
    "action press": (
        "[Goal|Task|Wish|Job|Plan]: {lower}. [What|Which] [is the next action|action comes next|tool call]?",
        "[Call a tool|Use a tool|Make a tool call|Act] [to|in order to] {lower}[.|]",
        "[Press|Click|Push] [the button|] {name} by [calling the tool|a call][.|]",
        "[I want|The user wants|We want|They want] to {lower}. [Act|Call the tool|What call]?",
    ),
    "action type": (
        "[Goal|Task|Wish|Job|Plan]: '{text}' in [the field|] {name}. [What|Which] [is the next action|tool call]?",
        "[Enter|Write|Put|Fill|Type|Insert] '{text}' [into|in] [the field|] {name} [by a call|with a tool|][.|]",
        "[I want|The user wants|We want] '{text}' in {name}. [Act|Call the tool|What call]?",
    ),
    "action toggle": (
        "[Goal|Task|Wish|Job|Plan]: {name} {way}. [What|Which] [is the next action|tool call]?",
        "[Switch|Set|Turn|Put] [the option|] '{name}' {way} [by a call|with a tool|][.|]",
        "[I want|The user wants|We want] {name} {way}. [Act|Call the tool|What call]?",
    ),
    "action ensure": (
        "[Goal|Task|Wish|Job|Plan]: {lower}, with {other} {way}. [What|Which] [is the next action|tool call]?",
        "[First|To begin with] {other} [must be|has to be|should be] {way}, then {lower}. [Act|The next call]?",
    ),
    "action fill": (
        "[Goal|Task|Wish|Job|Plan]: {lower}, with '{text}' in {other}. [What|Which] [is the next action|tool call]?",
        "[First|To begin with] {other} [must be|has to be|should be] '{text}', then {lower}. [Act|The next call]?",
    ),
}

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
    ),
    "clips/order": (
        *asking("[which|what] [comes|came|appears|is] first, the {one} or the {other}"),
        "[What|Which|Which of them] [appears|arrives|is visible|is there|shows up|comes in|begins] [first|earlier|sooner], the {one} or the {other}?",
        "The {one} or the {other}: [which|what] [is|comes|appears|was there] [first|earlier]?",
        "[Did|Does] the {one} or the {other} [come|appear|arrive|show up] [first|earlier|sooner]?",
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
