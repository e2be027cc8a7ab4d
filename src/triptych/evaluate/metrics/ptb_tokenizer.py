"""Penn Treebank words of a caption, as the official caption scorer counts them.

The official COCO caption script runs a Java program, the Stanford PTBTokenizer 3.4.1, lower-cases
its tokens and drops punctuation, so a score can only be compared with a published one when the
same words are counted: "isn't" is two, "t-shirt" and "5:30" are one, "(" is the word "-lrb-".
This is that tokenizer in Python, written from what the Java program answers to given text, not from
its source. On all 40,460 captions of Flickr8k and all 25,014 of COCO val2017 both give the same
words.

Known departures:

- "... plan b." at the end of a caption: the Java program keeps the full stop of a lone letter or
  not by the first word of the *next* caption in its file, so a score depends on the order of the
  data. Here a caption ends with itself, and the full stop is dropped.
- Telephone numbers with spaces and some e-mail addresses, markup and emoticons, which are one token
  there, may be several here.
"""

# ruff: noqa: RUF001 -- look-alike quotes, dashes and slashes are what this file tells apart

import re
from collections.abc import Sequence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DROPPED = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Tokens that do not count. The official list also names "-LRB-" and its kin, but it is compared
with lower-cased tokens, so brackets do count."""

HALVES = {
    "cannot": ("can", "not"),
    "gimme": ("gim", "me"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "lemme": ("lem", "me"),
    "wanna": ("wan", "na"),
}
"""Words that are two words."""

ABBREVIATIONS = _words("""
    adj adm adv al ala alex apr ariz assn assoc asst atty attys aug ave bancorp bhd bldg blvd brig
    bros calif capt cf cie cmdr co col colo comdr conn corp cos cpl ct dak dec dept det dr drs elec
    ens esq est etc ext feb fla fri ft ga gen gov govs hon inc ind insp intl invt jan jos jr jul jun
    kan kans ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt
    mtg natl neb nev nov oct okla penn pfc ph plc ppte pptes ppty pptys pres prof profs pte ptes pty
    ptys pvt rd rep reps rev rt sen sens sep sept seq sfc sgt spc sq sr st ste supt supts sys tel
    tenn thu thurs treas tue tues univ va vs vt wed wis wisc wm wyo
""")
"""Words that keep their full stop."""

CAPITALISED_ABBREVIATIONS = _words("Ark Az Del Ill La Mass Miss Ore Pa Tex Wash")
"""Words that keep their full stop only when written with a capital."""

NUMBER_ABBREVIATIONS = _words("art ca fig figs no nos op pp prop")
"""Words that keep their full stop before a number."""

SENTENCE_STARTS = _words("""
    A About According Additionally After An As At But Earlier He Her Here However If In It Last Many
    More Now Once One Other Our She Since So Some Such That The Their Then There These They This We
    What When While Yet You
""")
"""Before these a single letter with a full stop ends a sentence, otherwise it is an initial."""

APOSTROPHE_WORDS = _words("c'est c'mon e'er ev'ry li'l nat'l nor'easter o'o s'mores")
"""Words with an apostrophe that no rule covers."""

FORMS = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "’": "'",
    **dict.fromkeys('"“”«»\x93\x94', "''"),
    **dict.fromkeys("‘‛‹›\x91", "`"),
    **dict.fromkeys("–—―\x96\x97", "--"),
    **dict.fromkeys(["---", "----"], "--"),
    **dict.fromkeys("€₠¤\x80", "$"),
    "…": "...",
    "£": "#",
    "¢": "cents",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": "''",
    "&mdash;": "--",
}
"""How a token is written in the Penn Treebank, where that is not how it is written in text."""

# The pieces that rules are made of: a letter, a letter or digit, an apostrophe, a hyphen.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u064b-\u065e\u0900-\u0903\u093c\u093e-\u094e\u0e31\u0e34-\u0e4e"
)
L = f"(?:[^\\W\\d_²³¹¼-¾⁰-₉⅐-↉①-⓿❶-➓]|[{_MARKS}])"
W = f"(?:[^\\W_²³¹¼-¾⁰-₉⅐-↉①-⓿❶-➓]|[{_MARKS}])"
A = "['’]"
H = "[-‐‑]"
COMPOUND = f"{W}+(?:{H}{W}+)*"
ASCII_COMPOUND = rf"[A-Za-z\d]+(?:{H}[A-Za-z]+)*"
TAIL = rf"(?:{H}(?:[A-Za-z]\.[A-Za-z]\.|{W}+))"
CLITICS = "(?i:[smd]|ll|re|ve)"
NOT = "[nN]['’`][tT]"


def _any(words: Sequence[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _capitalised(words: Sequence[str]) -> str:
    return _any([*words, *(word.upper() for word in words)])


_RULES = [
    # Most words of most captions; the rest is for the others. The first rule that fits wins.
    "[A-Za-z]+(?= |$)|[.,](?= |$)",
    # Markup, addresses, names
    r"</?[A-Za-z][\w.:-]*(?:\s+[A-Za-z][\w.:-]*(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|\w+))?)*\s*/?>",
    r"<[!?][^<>]*>",
    r"&(?:lt|gt|quot|mdash);",
    r"https?://[^\s\"<>|()]*[^\s\"<>|().!?,;:]",
    rf"{W}+(?:\.{W}+)*\.(?:com|net|org|edu)/(?:[^\s\"<>|()]*[^\s\"<>|().!?,;:])?",
    r"<?\w(?:[\w.-]{0,64}\w)?(?:@\w(?:[\w.-]{0,64}\w)?)+>?",
    rf"@[A-Za-z_]\w*|\#{L}+|C\+\+|[CF]\#",
    # Emoticons
    r"[<>]?[:;=][-o*']?[()DPdpO{@|\[\]\\](?![A-Za-z0-9])|[x^=~<>]_[x^=~<>]",
    r"\.{3}",
    # Numbers and joined words: 5 1/2, and/or, 5-a.m., 5,000-seat, 5:30
    r"\d{1,4}[ -]\d{1,4}[/⁄]\d{1,4}(?!\d)",
    rf"{ASCII_COMPOUND}(?:[/⁄]{ASCII_COMPOUND}){{1,2}}",
    rf"{COMPOUND}(?:-[A-Za-z]\.[A-Za-z]\.)",
    rf"\d+(?:[.,]\d+)*{TAIL}+",
    r"[+-]?(?:\d+(?:[.,:]\d+)+|(?:[.,:]\d+)+)",
    # Initials and abbreviations: U.S.-based, p.m., beach.The, St.-Denis, etc., no. 5, plan b.
    rf"[A-Za-z](?:\.[A-Za-z])++(?!{W})(?:\.(?!{L}){TAIL}*|{TAIL}+)?",
    r"(?i:ph\.d)\.",
    rf"{L}{W}*(?:\.{L}{W}*(?:{H}{W}+)*)+",
    rf"{W}+(?:\.\d*)?{TAIL}+",
    rf"(?i:{_any(ABBREVIATIONS)})\.",
    rf"(?:{_capitalised(CAPITALISED_ABBREVIATIONS)})\.",
    rf"(?i:{_any(NUMBER_ABBREVIATIONS)})\.(?=\s*\d)",
    rf"[A-Za-z]\.(?!\s*$|\s+(?:{_capitalised(SENTENCE_STARTS)})\s)",
    rf"{W}+\.(?=[,;:])",
    # AT&T, R&B, yahoo!mail
    "[A-Z]+(?:[&+][A-Z]+)+",
    rf"{L}+(?:[!?]{L}+)+",
    # Apostrophes: do n't, dog 's, o'clock, O'Brien, ma'am, y' all, rock 'n' roll, '90s, 't was.
    # A clitic ends its word, but after a typographic apostrophe the Java program does not look.
    rf"{L}+?(?<![nN])(?={NOT})",
    rf"{NOT}(?![A-Za-z])",
    rf"(?i:{_any(APOSTROPHE_WORDS)})|[cC]ont'd\.",
    rf"{W}+(?='{CLITICS}(?![A-Za-z]))",
    rf"(?:[A-HJ-XZ]|[dlno]){A}{L}{W}+(?:{H}{W}+)*",
    rf"{L}+[aeiouyAEIOUY]{A}[aeiouA-Z]{L}*",
    rf"{W}+(?=’{CLITICS})",
    rf"(?i:dunkin{A}|somethin{A}|ol{A}|[ldj]{A}|y{A}(?=[a-z]))",
    rf"''|{A}(?i:em|till?|cause|n{A}|n(?![A-Za-z0-9])|[2-9]0s|\d\d(?=\s|$))|'[tT](?=(?i:is|was))",
    rf"'{CLITICS}(?![A-Za-z])|’{CLITICS}",
    # Money, plain numbers and words
    r"(?:US|HK|AU|NZ|[A-Z])\$",
    r"[+-]\d+",
    rf"{W}+(?:_{W}+)*",
    # Runs of signs, then whatever sign the Java program knows; the rest is no token at all
    r"-{2,}|_{2,}|\*+|[!?]{2,}|<<|>>|@@+|\#\#+",
    r"[!-/:-@\[-`{-~¡-¿×÷‒-‗‘-‣…‰-⁄⁰-₎₠₤€℀-⅏⅓-⅞←-⯿、。〒・！-･￠-￦]",
]
_TOKEN = re.compile("|".join(_RULES))
_SMALL = re.compile("n?’(?:t|s|m|d|ll|re|ve)|[<>]?[:;=].?[()]")


def tokenize(caption: str) -> str:
    """The lower-case words of a caption, one space between any two, punctuation dropped."""
    text = caption.replace("\n", " ").replace("\x92", "’").replace("\xad", "")
    if "&" in text:
        text = text.replace("&amp;", "&").replace("&apos;", "'").replace("&nbsp;", " ")
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0].lower()
        words += HALVES.get(token) or (_write(token),)
    return " ".join(word for word in words if word not in DROPPED)


def _write(token: str) -> str:
    """A token in the Treebank's spelling; a space inside it becomes a no-break space."""
    if token in FORMS:
        return FORMS[token]
    if _SMALL.fullmatch(token):  # a clitic or an emoticon
        return token.replace("’", "'").replace("(", "-lrb-").replace(")", "-rrb-")
    return token.replace(" ", "\xa0")
