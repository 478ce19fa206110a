"""What duplicates are by definition, in sets of Python strings and without the code that is tested; invented texts."""

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

LONG = 1000

WORDS = re.findall(
    r"\w+",
    "头痛 发热 咳嗽 高血压 糖尿病 孕妇 儿童 老人 饭后 空腹 每天 三次 半片 胶囊 药片 医院 复查 血糖 心电图 睡眠 饮食 "
    "清淡 多喝水 休息 注意 观察 如果 加重 请 及时 就诊 可以 不能 建议 需要 服用 一周 两周 检查 结果 正常 偏高",
)
MARKS = list("，。？！ ,.?!")

Exchange = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """A record: the texts of its groups, and of a dialogue its exchanges. settled: it stays, and comes first."""

    id: str
    texts: tuple[str, ...]
    priority: int = 0
    exchanges: tuple[Exchange, ...] = ()
    settled: bool = False


Fate = tuple[str, float | None, str]
"""Of a record that goes: keeper, Jaccard, reason."""


def invent(rng: random.Random, words: int) -> str:
    return "".join(rng.choice(WORDS) + (rng.choice(MARKS) if rng.random() < 0.2 else "") for _ in range(words))


def alter(rng: random.Random, text: str) -> str:
    """A copy as re-scraped corpora hold it."""
    way = rng.randrange(6)
    at = rng.randrange(max(1, len(text)))
    if way == 0:
        return "您好，" + text
    if way == 1:
        return text.replace("，", ",").replace("。", " ") + "！"
    if way == 2:
        return text[:at] + rng.choice("病药症") + text[at + 1 :]
    if way == 3:
        return text[: int(len(text) * rng.uniform(0.6, 1))]
    if way == 4:
        return text + invent(rng, rng.randrange(1, 6))
    return text


@cache
def write_key(text: str) -> str:
    wide = "FH"
    text = unicodedata.normalize("NFC", text)
    text = "".join(unicodedata.normalize("NFKC", c) if unicodedata.east_asian_width(c) in wide else c for c in text)
    text = re.sub(r"(?<=[0-9])\.(?=[0-9])", "\ue000", text.lower())
    kept = [c for c in text if c in "%\ue000" or unicodedata.category(c)[0] in "LNM" or unicodedata.category(c) == "Sm"]
    return "".join(kept).replace("\ue000", ".")


@cache
def grams(text: str) -> frozenset[str]:
    key = write_key(text)
    return frozenset(key[at : at + 5] for at in range(len(key) - 4)) if len(key) >= 5 else frozenset([key])


def jaccard(one: Sequence[str], two: Sequence[str]) -> float:
    """The smallest of all groups."""
    pairs = [(grams(left), grams(right)) for left, right in zip(one, two, strict=True)]
    return min(len(a & b) / len(a | b) for a, b in pairs)


def holds(longer: Sequence[Exchange], shorter: Sequence[Exchange]) -> bool:
    """Whether a dialogue begins with another, or has it of two or more exchanges anywhere."""
    count = len(shorter)
    if count >= len(longer):
        return False
    anywhere = count > 1 and len(longer) <= LONG
    starts = range(len(longer) - count + 1 if anywhere else 1)
    return any(longer[at : at + count] == shorter for at in starts)


def judge(rows: Sequence[Row], threshold: float = 0.8) -> dict[str, Fate]:
    """The removed ids, each with its fate: every record against every kept one."""
    classes: dict[tuple[object, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (not row.settled, -row.priority, -sum(map(_length, row.texts)), row.id)):
        classes.setdefault(class_of(row), []).append(row)
    best = [members[0] for members in classes.values()]
    said = [_key_exchanges(row) for row in best]
    is_spoken = any(len(exchanges) > 1 for exchanges in said)
    holders = [
        [other for other in range(len(best)) if is_spoken and not row.settled and holds(said[other], said[at])]
        for at, row in enumerate(best)
    ]

    @cache
    def place(at: int) -> int:
        return max([at, *(place(holder) for holder in holders[at])])

    fates: dict[int, Fate] = {}
    kept: list[int] = []
    for at in sorted(range(len(best)), key=lambda at: (place(at), -len(said[at]), at)):
        longer = [holder for holder in kept if holder in holders[at]]
        share, _, nearest = max(
            ((jaccard(best[at].texts, best[other].texts), -seat, other) for seat, other in enumerate(kept)),
            default=(0.0, 0, -1),
        )
        if best[at].settled:
            kept.append(at)
        elif longer:
            fates[at] = best[longer[0]].id, None, "contained"
        elif share >= threshold:
            fates[at] = best[nearest].id, share, "near_duplicate"
        else:
            kept.append(at)
    told: dict[str, Fate] = {}
    for at, members in enumerate(classes.values()):
        gone = members if at in fates else members[1:]
        told |= {row.id: fates.get(at, (members[0].id, 1.0, "exact_duplicate")) for row in gone}
    return told


def class_of(row: Row) -> tuple[object, ...]:
    """What exact copies have in common: the keys of the texts, and of a dialogue how it is cut into exchanges."""
    return tuple(map(write_key, row.texts)), _key_exchanges(row) if len(row.exchanges) > 1 else ()


def _length(text: str) -> int:
    return len(unicodedata.normalize("NFC", text))


def _key_exchanges(row: Row) -> tuple[Exchange, ...]:
    exchanges = row.exchanges if len(row.exchanges) > 1 else [row.texts[:2]]
    return tuple((write_key(exchange[0]), write_key(exchange[-1])) for exchange in exchanges)
