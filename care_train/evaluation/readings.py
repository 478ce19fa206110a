"""What option a written answer means; None where it cannot be told, which is counted and never guessed."""

import re
import unicodedata

from care_train.evaluation.items import Item

THOUGHT = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)
MARKS = r"\s*[,，、;；和与及/&+]\s*|\s+and\s+"
# What a sentence says before it names its answer; of several such sentences the last counts.
STATED = (
    r"(?:答案|正确选项|正确的选项|正确的是|应选择?|故选择?|因此选择?|所以选择?|本题选择?|我选择?|选项)"
    r"(?:应该|应当|应|就|即)?(?:是|为|选择?)?\s*[:：]?\s*"
    r"|(?:the\s+)?(?:correct\s+|right\s+|final\s+|best\s+)?(?:answers?|options?|choices?)\s*(?:is|are)?\s*[:：]?\s*"
    r"|^\s*(?:answer|答|选)\s*[:：]?\s*"
)
OPENING, CLOSING = r"[(（【\[「“\"']*\s*", r"\s*[)）】\]」”\"']*"
ARTICLE = r"(?<=\bA|\bI)\s+[a-z]"
DENIED = r"不是|不选|不为|不应选|并非|排除|除了|而非|\bnot|n't|\bexcept|\bneither"
NOT = re.compile(rf"(?:{DENIED})\s*[(（【\[“\"']*\s*$", re.IGNORECASE)


def read_choice(text: str, item: Item) -> tuple[str, ...] | None:
    """The labels a written answer names, in the options' order.

    In turn: labels at the very start; labels after words such as “the answer is”, the last of them; labels anywhere, or
    else texts of options, where they are the only ones (with several right: all of them). A label must stand alone, and
    one that is denied (“not B”) does not count. More than one label for a question with one answer cannot be told, but
    for a plain list of letters, which is an answer and a wrong one; “yes, no, maybe” only says the question again.
    """
    said = unicodedata.normalize("NFKC", THOUGHT.sub("", text)).replace("*", "").strip()
    names = {_fold(label): label for label in item.labels}
    for find in (_read_start, _read_stated):
        found = find(said, names)
        if found:
            return _order(found, item) if item.listed or len(found) == 1 else None
    found = _read_anywhere(said, names) or _read_texts(said, item)
    return _order(found, item) if found and (item.several or len(found) == 1) else None


def _fold(label: str) -> str:
    """A label as it is looked up: single letters keep their case, for a and i are words."""
    normal = unicodedata.normalize("NFKC", label)
    return normal if len(normal) == 1 else normal.casefold()


def _pattern(names: dict[str, str]) -> str:
    """One label that stands alone, as a group without a name; longest first."""
    longest = sorted(names, key=len, reverse=True)
    return "(?:" + "|".join(f"(?i:{re.escape(one)})" if len(one) > 1 else re.escape(one) for one in longest) + ")"


def _list_pattern(names: dict[str, str]) -> str:
    """Labels one after the other, not followed by the rest of a word."""
    one, letters = _pattern(names), all(len(name) == 1 for name in names)
    between = f"(?:{MARKS}|\\s*)" if letters else f"(?:{MARKS})"  # letters may stand side by side
    return f"({one}(?:{between}{one})*)(?![A-Za-z0-9])"


def _split(found: str, names: dict[str, str]) -> set[str]:
    return {names[_fold(one)] for one in re.findall(_pattern(names), found)}


def _read_start(said: str, names: dict[str, str]) -> set[str]:
    """Labels that open the text and are followed by its end or by a mark, not by further words of a sentence."""
    found = re.match(OPENING + _list_pattern(names) + CLOSING + r"(?=$|\n|[.,:;。，：；、!！?？—-])", said)
    return _split(found[1], names) if found else set()


def _read_stated(said: str, names: dict[str, str]) -> set[str]:
    found = list(re.finditer(f"(?im:{STATED}){OPENING}{_list_pattern(names)}", said))
    return _split(found[-1][1], names) if found else set()


def _read_anywhere(said: str, names: dict[str, str]) -> set[str]:
    """Labels that stand alone anywhere; A and I before a word are words, and after a denial no label is an answer."""
    alone = re.finditer(f"(?<![A-Za-z0-9])({_pattern(names)})(?![A-Za-z0-9])(?!{ARTICLE})", said)
    return {names[_fold(one[1])] for one in alone if not NOT.search(said[: one.start()])}


def _read_texts(said: str, item: Item) -> set[str]:
    """Options whose text the answer holds; of one text inside another only the longer counts."""
    folded = said.casefold()
    texts = {label: unicodedata.normalize("NFKC", text).casefold() for label, text in item.options if item.listed}
    found: set[str] = set()
    for label, text in sorted(texts.items(), key=lambda pair: -len(pair[1])):
        at = folded.find(text)
        if at >= 0 and not NOT.search(folded[:at]):
            found.add(label)
            folded = folded.replace(text, "\n")
    return found


def _order(found: set[str], item: Item) -> tuple[str, ...]:
    return tuple(label for label in item.labels if label in found)
