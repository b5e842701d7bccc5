"""Damage to bytes, words and documents, by chance and by what is known to hurt. Pure: all chance comes from `draw`.

Does not know any format: see `files`.
"""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Draw = random.Random
INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    127,
    128,
    255,
    256,
    32767,
    65535,
    2**31 - 1,
    -(2**31),
    2**32,
    2**53 + 1,
    2**63,
    2**64,
    10**40,
)
FLOATS = (0.0, -0.0, 0.5, 1.0, -1.5, 1e-320, 1e38, 3.5e38, 1e308, -1e308, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    *("", " ", "0", "-1", "nan", "1e999", "true", "null", "\x00", "\r\n", "a" * 300, "a" * 70_000, "ä\u202e\U0001f600"),
    *("../../etc/passwd", "/proc/self/environ", "=1+1", "<script>", "%s%n", "{}", "[", "os.system", "\ud800"),
)
LONGEST_RUN = 64
MOST_COPIES = 300


def in_bytes(draw: Draw, raw: bytes, most: int = 6) -> bytes:
    """A few places of it changed, lost, doubled or moved."""
    found = bytearray(raw)
    for _ in range(draw.randint(1, most)):
        draw.choice(_IN_BYTES)(draw, found)
    return bytes(found)


def _flip(draw: Draw, raw: bytearray) -> None:
    if raw:
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)


def _word(draw: Draw, raw: bytearray) -> None:
    size = draw.choice((1, 2, 4, 8))
    word = (draw.choice(INTEGERS) % 2 ** (8 * size)).to_bytes(size, draw.choice(("little", "big")))
    at = draw.randint(0, len(raw))
    raw[at : at + size] = word


def _lose(draw: Draw, raw: bytearray) -> None:
    start, size = _run(draw, raw)
    del raw[start : start + size]


def _double(draw: Draw, raw: bytearray) -> None:
    start, size = _run(draw, raw)
    raw[start:start] = raw[start : start + size]


def _move(draw: Draw, raw: bytearray) -> None:
    start, size = _run(draw, raw)
    run = raw[start : start + size]
    del raw[start : start + size]
    at = draw.randint(0, len(raw))
    raw[at:at] = run


def _cut(draw: Draw, raw: bytearray) -> None:
    del raw[draw.randint(0, len(raw)) :]


def _insert(draw: Draw, raw: bytearray) -> None:
    at = draw.randint(0, len(raw))
    raw[at:at] = draw.randbytes(draw.randint(1, LONGEST_RUN))


def _run(draw: Draw, raw: bytearray) -> tuple[int, int]:
    return draw.randint(0, len(raw)), draw.randint(1, LONGEST_RUN)


_IN_BYTES: tuple[Callable[[Draw, bytearray], None], ...] = (
    _flip,
    _flip,
    _word,
    _word,
    _lose,
    _double,
    _move,
    _cut,
    _insert,
)


def in_document(draw: Draw, document: Any, most: int = 3) -> Any:
    """A copy of what JSON can say, with a few members changed, lost, doubled, nested or of another type."""
    found = [copy.deepcopy(document)]
    for _ in range(draw.randint(1, most)):
        holder, key = _place(draw, found)
        draw.choice(_IN_DOCUMENT)(draw, holder, key)
        if not found:
            found = [None]
    return found[0]


def _place(draw: Draw, holder: Any) -> tuple[Any, Any]:
    """Down from the top, at each step with the same chance to stop: large arrays do not hide what surrounds them."""
    key: Any = 0
    while True:
        inner = holder[key]
        if not inner or not isinstance(inner, dict | list) or draw.random() < 0.15:
            return holder, key
        holder, key = inner, draw.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))


def _another_value(draw: Draw, holder: Any, key: Any) -> None:
    holder[key] = value_like(draw, holder[key])


def value_like(draw: Draw, value: Any) -> Any:
    """Mostly of the same type, so that it passes for what it replaces."""
    if isinstance(value, str) and draw.random() < 0.5:
        return str(draw.choice((draw.choice(INTEGERS), draw.choice(FLOATS), draw.randint(-2, 20))))
    if draw.random() < 0.2:
        return copy.deepcopy(draw.choice((None, True, False, [], {}, [[]], {"": None}, 0, "", -1.5)))
    if isinstance(value, float):
        return draw.choice((*FLOATS, draw.uniform(-10, 10)))
    if isinstance(value, int):
        return draw.choice((*INTEGERS, *(draw.randint(-2, 20) for _ in INTEGERS), float(value)))
    return draw.choice(TEXTS)


def _lost(_: Draw, holder: Any, key: Any) -> None:
    del holder[key]


def _doubled(draw: Draw, holder: Any, key: Any) -> None:
    value = copy.deepcopy(holder[key])
    if isinstance(holder, dict):
        holder[draw.choice((f"{key} ", str(key).upper(), *TEXTS[:4]))] = value
    else:
        holder[key:key] = [value] * draw.choice((1, 1, 2, MOST_COPIES))


def _nested(draw: Draw, holder: Any, key: Any) -> None:
    for _ in range(draw.choice((1, 1, 2, 70, 150))):
        holder[key] = [holder[key]] if draw.random() < 0.5 else {"a": holder[key]}


def _swapped(draw: Draw, holder: Any, key: Any) -> None:
    other = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


def _shortened(draw: Draw, holder: Any, key: Any) -> None:
    if isinstance(holder[key], list | str):
        holder[key] = holder[key][: draw.randint(0, len(holder[key]))]
    else:
        _another_value(draw, holder, key)


_Edit = Callable[[Draw, Any, Any], None]
_IN_DOCUMENT: tuple[_Edit, ...] = (*[_another_value] * 6, _lost, _doubled, _nested, _swapped, _shortened)


def in_lines(draw: Draw, lines: list[str], numbers: Callable[[str], str]) -> list[str]:
    """Lines lost, doubled, swapped or emptied; mostly `numbers` changes one of them."""
    found = list(lines)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(found)) if found else 0
        action = draw.choice(("change", "change", "change", "lose", "double", "swap", "empty", "insert"))
        if action == "insert" or not found:
            found.insert(at, draw.choice(TEXTS))
        elif action == "lose":
            del found[at]
        elif action == "double":
            found[at:at] = [found[at]] * draw.choice((1, 2, MOST_COPIES))
        elif action == "swap":
            other = draw.randrange(len(found))
            found[at], found[other] = found[other], found[at]
        else:
            found[at] = numbers(found[at]) if action == "change" else ""
    return found


def in_words(draw: Draw, line: str, separator: str) -> str:
    """One of the words of a line replaced by what may stand there or may not."""
    words = line.split(separator)
    at = draw.randrange(len(words))
    words[at] = str(draw.choice((draw.choice(INTEGERS), draw.choice(FLOATS), draw.randint(-3, 9), draw.choice(TEXTS))))
    return separator.join(words if draw.random() < 0.8 else words[: at + 1])


def drawn(seed: object) -> Iterator[Draw]:
    """One source of chance after the other, each by its number alone: any of them can be drawn again by itself."""
    number = 0
    while True:
        yield random.Random(f"{seed} {number}")
        number += 1
