"""How questions about charts are worded.

Slots: `{what}` is what is measured, `{a}` and `{b}` name marks ("Oslo", "Reds in Oslo"), `{noun}`
is what is looked for ("month"), `{scope}` is empty or " for Reds" or " in Oslo", `{most}` is
highest or lowest in some word, `{more}` higher or lower, `{line}` names a line.
"""

from triptych.data.worlds import more_ways
from triptych.data.worlds.wording import Phrases, with_more

CHART_PHRASES = with_more(
    {
        "charts/value": Phrases(
            seen=(
                "What is the value for {a}?",
                "What are the {what} for {a}?",
                "How high is {a}?",
                "Read off the value of {a}.",
                "Which number belongs to {a}?",
                "What number does the chart show for {a}?",
                "{a}: what is the value?",
                "Give the value shown for {a}.",
                "According to the chart, what are the {what} for {a}?",
                "Tell me the {what} for {a}.",
                "How many {what} are shown for {a}?",
                "At what value does {a} stand?",
                "I need the number for {a}.",
            ),
            unseen=(
                "What value does {a} reach?",
                "Looking at the chart, how large is {a}?",
                "State the figure for {a}.",
                "What figure is given for {a}?",
            ),
        ),
        "charts/extreme": Phrases(
            seen=(
                "Which {noun} has the {most} value{scope}?",
                "Which {noun} has the {most} {what}{scope}?",
                "What {noun} shows the {most} number{scope}?",
                "Find the {noun} with the {most} {what}{scope}.",
                "Name the {noun} with the {most} value{scope}.",
                "The {most} value{scope} belongs to which {noun}?",
                "Where is the {most} value{scope}? Name the {noun}.",
                "In this chart, which {noun} is the {most}{scope}?",
                "Tell me which {noun} is {most}{scope}.",
                "Which {noun} stands {most}{scope}?",
                "By {what}, which {noun} is the {most}{scope}?",
            ),
            unseen=(
                "For which {noun} is the value the {most}{scope}?",
                "Point out the {noun} whose value is {most}{scope}.",
                "Of all shown, which {noun} comes out {most}{scope}?",
            ),
        ),
        "charts/comparison": Phrases(
            seen=(
                "Is {a} {more} than {b}?",
                "Is the value for {a} {more} than the value for {b}?",
                "Are the {what} for {a} {more} than for {b}?",
                "Compared with {b}, is {a} {more}?",
                "Does {a} have a {more} value than {b}?",
                "Does the chart show a {more} number for {a} than for {b}?",
                "{a} and {b}: is the first one {more}?",
                "Is it true that {a} is {more} than {b}?",
                "Would you say {a} is {more} than {b}?",
                "Look at {a} and {b}. Is {a} {more}?",
                "Can you see whether {a} is {more} than {b}?",
            ),
            unseen=(
                "Next to {b}, is {a} the {more} one?",
                "Of {a} and {b}, is {a} {more}?",
                "Does {a} come out {more} than {b}?",
            ),
        ),
        "charts/trend": Phrases(
            seen=(
                "Is {line} rising, falling or neither?",
                "Does {line} go up all the way, down all the way, or neither? "
                "Say rising, falling or neither.",
                "What is the trend of {line}: rising, falling or neither?",
                "Rising, falling or neither: which describes {line}?",
                "From left to right, is {line} rising, falling or neither?",
                "How does {line} develop? Answer rising, falling or neither.",
                "Is the direction of {line} rising, falling or neither?",
                "Say whether {line} is rising, falling or neither.",
                "Describe {line} with one word: rising, falling or neither.",
                "Would you call {line} rising, falling or neither?",
            ),
            unseen=(
                "At every step, is {line} rising, falling, or neither of the two?",
                "Which word fits {line}: rising, falling, neither?",
                "Over the whole chart, does {line} keep rising, keep falling, or neither?",
            ),
        ),
        "charts/difference": Phrases(
            seen=(
                "What is the difference between {a} and {b}?",
                "How far apart are {a} and {b}?",
                "By how much do {a} and {b} differ?",
                "How much higher or lower is {a} than {b}?",
                "Subtract the smaller of {a} and {b} from the larger.",
                "What is the gap between {a} and {b}?",
                "How large is the difference between {a} and {b}?",
                "Give the difference of the values for {a} and {b}.",
                "{a} versus {b}: what is the difference?",
                "Compute the difference between the {what} for {a} and for {b}.",
            ),
            unseen=(
                "What separates {a} from {b}, in numbers?",
                "Work out how much {a} and {b} are apart.",
                "If you compare {a} with {b}, how big is the difference?",
            ),
        ),
        "charts/sum": Phrases(
            seen=(
                "What is the sum of {a} and {b}?",
                "How much are {a} and {b} together?",
                "Add up {a} and {b}.",
                "What do {a} and {b} add up to?",
                "What is the total of {a} and {b}?",
                "Give the combined value of {a} and {b}.",
                "{a} plus {b} makes what?",
                "Taken together, what are the {what} for {a} and {b}?",
                "Compute the sum of the values for {a} and {b}.",
                "How much do {a} and {b} have in all?",
            ),
            unseen=(
                "If you put {a} and {b} together, what do you get?",
                "What number results from adding {a} to {b}?",
                "Work out {a} and {b} combined.",
            ),
        ),
        "charts/title": Phrases(
            seen=(
                "What is the title of the chart?",
                "What is this chart called?",
                "Read the title.",
                "Which title does the chart have?",
                "What does the heading say?",
                "What is written above the chart?",
                "Give the title of this figure.",
                "Copy the title of the chart.",
                "Tell me the chart's title.",
                "What is the heading of this picture?",
            ),
            unseen=(
                "Which words stand at the top of the chart?",
                "Under what title is this shown?",
                "Please transcribe the chart's heading.",
            ),
        ),
        "charts/table": Phrases(
            seen=(
                "Turn the chart into a JSON table.",
                "Write the values of the chart as JSON.",
                "Give the data of this chart as JSON.",
                "Convert this chart to JSON.",
                "List all values as a JSON object.",
                "Return the chart's data as JSON, one entry for each {noun}.",
                "Output JSON that maps each {noun} to its value.",
                "What data is behind this chart? Answer in JSON.",
                "Extract every number of the chart as JSON.",
                "As JSON: all the {what} by {noun}.",
                "Read the whole chart and write it down as JSON.",
                "JSON with one key for each {noun}, please.",
            ),
            unseen=(
                "Transcribe the chart's numbers into a JSON object.",
                "I want the underlying table of this chart in JSON.",
                "For each {noun}, give the value; use JSON.",
            ),
        ),
    },
    more_ways.CHARTS,
)
"""By kind; sums are asked in words of their own and are of the kind `charts/difference`."""

MOST = {
    "highest": ("highest", "largest", "greatest", "biggest"),
    "lowest": ("lowest", "smallest"),
}
"""Words for the ends of an order."""

MORE = {"higher": ("higher", "larger", "greater"), "lower": ("lower", "smaller")}
"""Words for a comparison."""

PAIRED = ("{series} in {category}", "{category} ({series})", "{series}, {category}")
"""How a mark is named in a chart with several series."""
