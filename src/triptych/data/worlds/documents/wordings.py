"""How questions about documents are worded.

Slots: `{field}` names a field as after "the" ("total", "price of Milk", "age for Anna"), `{name}`
is an item, a row or a label, `{keys}` are the keys of the JSON that is wanted, `{document}` is the
kind of document.
"""

from triptych.data.worlds import more_ways
from triptych.data.worlds.wording import Phrases, with_more

DOCUMENT_PHRASES = with_more(
    {
        "documents/field": Phrases(
            seen=(
                "What is the {field}?",
                "Read the {field}.",
                "What does it say for the {field}?",
                "Give the {field} of this {document}.",
                "Find the {field}.",
                "Tell me the {field} exactly as printed.",
                "Which text stands for the {field}?",
                "I need the {field}, please.",
                "Look up the {field} on the {document}.",
                "The {field}?",
                "What {field} is given here?",
                "Can you read the {field}?",
                "Copy out the {field}.",
            ),
            unseen=(
                "On this {document}, what is written as the {field}?",
                "Please transcribe the {field}.",
                "State the {field} shown in the picture.",
                "How does the {field} read?",
            ),
        ),
        "documents/json": Phrases(
            seen=(
                "Convert this {document} to JSON.",
                "Extract {keys} as JSON.",
                "Read the {document} and return JSON with the keys {keys}.",
                "Give me {keys} as a JSON object.",
                "Write the {document} down as JSON.",
                "Return a JSON object with {keys}.",
                "Parse this {document} into JSON ({keys}).",
                "What is on the {document}? Answer in JSON with {keys}.",
                "Fill this JSON from the picture: {keys}.",
                "Output the {document} as compact JSON.",
                "I need {keys} from this {document}, as JSON.",
                "Turn the picture into JSON. Keys: {keys}.",
                "Transcribe everything that matters here as JSON.",
            ),
            unseen=(
                "Digitise this {document}: JSON with {keys}.",
                "Put {keys} of the {document} into a JSON object.",
                "As JSON, please, with the fields {keys}: what does this {document} say?",
                "Make a JSON record of this {document}.",
            ),
        ),
        "documents/check": Phrases(
            seen=(
                "Do the items add up to the total?",
                "Is the total correct?",
                "Is the printed total the sum of the items?",
                "Does the total match the prices above it?",
                "Check the sum: is it right?",
                "Was this {document} added up correctly?",
                "Are the amounts and the total consistent?",
                "Does the total of this {document} equal the sum of its lines?",
                "Did they calculate the total properly?",
                "Is it true that the amounts sum to the total?",
                "Is the arithmetic on this {document} right?",
            ),
            unseen=(
                "If you add all the lines, do you get the total shown?",
                "Would adding the prices give the printed total?",
                "Can the total be trusted, judging by the lines above?",
            ),
        ),
        "documents/kind": Phrases(
            seen=(
                "Is this a receipt, an invoice, a form or a table?",
                "What kind of document is this: receipt, invoice, form or table?",
                "Receipt, invoice, form or table: what do you see?",
                "Which is it: receipt, invoice, form or table?",
                "Classify the document as receipt, invoice, form or table.",
                "Name the type of document (receipt, invoice, form, table).",
                "Does the picture show a receipt, an invoice, a form or a table?",
                "What sort of paper is this? Say receipt, invoice, form or table.",
                "Choose one for this picture: receipt, invoice, form, table.",
                "How would you file this: as receipt, invoice, form or table?",
            ),
            unseen=(
                "Of receipt, invoice, form and table, which describes the picture?",
                "Tell me the document type: receipt, invoice, form or table.",
                "What has been scanned here, a receipt, an invoice, a form or a table?",
            ),
        ),
        "documents/existence": Phrases(
            seen=(
                "Is {name} on the list?",
                "Does the list contain {name}?",
                "Is {name} listed here?",
                "Can you find {name} on this {document}?",
                "Does {name} appear on the {document}?",
                "Is there a line for {name}?",
                "Does the {document} mention {name}?",
                "{name}: is it on here?",
                "Do you see {name} among the entries?",
                "Is {name} one of the entries?",
                "Has {name} been listed?",
            ),
            unseen=(
                "Among the lines of this {document}, is there one for {name}?",
                "Would I find {name} on this {document}?",
                "Is one of the lines about {name}?",
            ),
        ),
        "documents/label": Phrases(
            seen=(
                "Is there a field for {name}?",
                "Does the form ask for {name}?",
                "Does this form have a field called {name}?",
                "Is {name} one of the fields?",
                "Can you find a field named {name}?",
                "Does a label say {name}?",
                "Is {name} asked for on the form?",
                "Do you see a field for {name}?",
                "Was {name} to be filled in?",
                "Does the form contain {name}?",
            ),
            unseen=(
                "Among the labels, is there {name}?",
                "Would one enter {name} on this form?",
                "Has this form got a line for {name}?",
            ),
        ),
    },
    more_ways.DOCUMENTS,
)
"""By kind; fields of forms are asked for in words of their own, as `documents/existence` too."""
