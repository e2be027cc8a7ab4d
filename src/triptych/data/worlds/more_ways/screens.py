# ruff: noqa: E501 (a wording a line)
"""More ways to ask about windows, and to act on them."""

from triptych.data.worlds.rewording import Ways, asking, asking_for, whether


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
        "[Push|Punch|Activate|Trigger|Fire|Strike|Pick|Choose|Use|Find|Locate|Press|Hit] the {name} [button|key|control|command][.|, please.|]",
        "[Click|Press|Hit|Tap|Find|Use|Activate|Choose] the [button|key|control] [that says|called|named|labelled|marked|reading|with the label|with the word] {name}[.|]",
        "Push the [button|key] [called|named|labelled|marked|with] {name}[.|]",
        "[I have|I need|I wish|We have|My job is] to {lower}[.| here.| now.] [Point|Where|Show me|Which button|Where to]?",
        "[To|In order to] {lower}, [where do I click|what do I press|which point|point where|which place]?",
        "[Show|Give|Tell|Name] me [the|a] [spot|place|location|position|point] [to press for|to click for|where I press] {name}[.|]",
        "{name}: [where|where is it|click it|press it|push it|its place]?",
        "How would [I|one|you] {lower}? [Point|Click|Show me][.|]",
    ),
    "click checkbox": (
        *_clicking("the [checkbox|check box|option|box] {name}", "the [checkbox|option] '{name}'"),
        "[Toggle|Switch|Check|Uncheck|Change] [the|] [option|box|setting|] '{name}'[.|]",
        "[Tick|Check|Untick|Uncheck|Toggle|Switch|Flick|Turn|Set|Clear|Mark|Change] the [checkbox|check box|tick box|option|setting|switch|box] [named|called|labelled|for|of|] {name}[.|]",
        "Flip the [switch|option|setting|checkbox] [named|called|labelled|of|] {name}[.|]",
        "Where [can|do|must|should] I [set|remove|put|change|add|clear] the [tick|mark|check|cross] [of|for|at] {name}?",
        "[Put|Set|Add|Remove|Take away] the [tick|mark|check|cross] [of|for|at] {name}[.|]",
        "[Show|Point out|Point at|Find] the [place|spot|square|little box] [of|for] [the option|the setting|] {name}[.|]",
        "{name}: [where is its box|where do I tick it|tick it|switch it|where]?",
    ),
    "click field": (
        *_clicking("the [field|text field|input|entry] {name}", "the [field|input] '{name}'"),
        "Where [do|can|should] I [type|write|enter|put|fill in] [the|] {name}?",
        "[Put|Set|Move|Bring|Place] the [caret|cursor|text cursor] [in|into|inside] the [field|line|text box|input] {name}[.|]",
        "[Set|Put|Move|Bring] the caret [in|into] the {name} [entry|field|line][.|]",
        "[I have|I want|We have|It is time] to [fill in|write|type|enter|give] [the|my|] {name}[.| here.] [Where|Where do I click|Point|Which place]?",
        "[Which|What] [field|place|line|text box|slot] [takes|is for|wants|holds|accepts|belongs to] [the|] {name}?",
        "[Focus|Activate|Enter|Edit|Fill in|Go to|Jump to] [the|the field|the entry|the line] {name}[.|]",
        "{name}: [where do I type it|where do I write that|which field|where]?",
    ),
    "click radio": (
        *_clicking("the [choice|option|radio button] {name}", "the [option|choice] '{name}'"),
        "[Choose|Pick|Take|Select|Set it to|Change to] [the option|] {name}[.|]",
        "[Opt for|Decide for|Go with|Settle on|Vote for|Mark|Set] [the choice|the option|] {name}[.|, please.|: where?]",
        "[Mark|Set|Fill|Click|Hit|Press] the [circle|round box|dot|radio button|round one] [of|for|at|beside|next to] {name}[.|]",
        "[My choice|The choice|My answer|The answer] is {name}[.|:] [Where do I click|Which place|Where|Point]?",
        "[Make|Change|Turn] [it|the choice|the answer] [to|into] {name}[.|: where?|; which spot?]",
        "{name}: [where is that choice|choose it|pick it|which circle|where]?",
    ),
    "click dropdown": (
        *_clicking("the [list|dropdown|menu|selector] {name}", "the [list|menu] '{name}'"),
        "[Open|Unfold|Show|Pull down] the [list|dropdown|menu|options] [of|for|] {name}[.|]",
        "Where [do|can] I [choose|set|select|change] [the|another] {name}?",
        "[Expand|Open up|Unroll|Extend|Drop down|Pull down|Reveal|Bring up] the [list|menu|dropdown|selector|combo box] [of|for|called|named|] {name}[.|]",
        "[Show|Reveal|Unfold|See|List] [the|all] [choices|options|values|entries] [of|for] {name}[.|]",
        "[Which|What] [place|point|list|menu] [opens|holds|shows|unfolds] the [options|choices|values|entries] [of|for] {name}?",
        "{name}: [open it|unfold it|expand it|where is that list|where]?",
    ),
    "click tabs": (
        *_clicking("the [tab|page] {name}", "the [tab|page] '{name}'", "the {name} [tab|page]"),
        "[Open|Show|Go to|Turn to|Jump to|Move to] [the|] {name} [tab|page|][.|]",
        "[I want|I would like|I need] to see [the tab|the page|] {name}[.|]",
        "[Change|Move over|Flip over|Turn|Go over|Switch over|Skip|Get] to [the|] {name} [tab|page|section|pane|sheet][.|]",
        "[View|Visit|Display|Activate|Bring up|Select|Read] the {name} [tab|page|section|pane][.|]",
        "[I want|I would like|I wish|We want] to [see|read|view|visit|check|open] the {name} [section|part|pane|tab|page][.|: where?|. Where is it?|. Where do I click?]",
        "{name}: [open that page|show that tab|where is that tab|go there|where]?",
        "[Where|Which place] [brings me|leads|takes me] to [the|] {name} [tab|page|section|]?",
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
