"""LightGBM's text models, line by line as LightGBM's own loader reads them: a head, and a section for each tree.

That loader is lenient (`LoadModelFromString` in src/boosting/gbdt_model_text.cpp, `Tree::Tree` in src/io/tree.cpp of
its repository): a blank line ends a tree, wherever it is; of a key that comes twice the last one counts; `tree_sizes`
says where trees begin, and a key without value runs on into the next line. So a file may not mean what it seems to.
One that LightGBM's writer could not have written in these respects is refused here, and says which. Numbers are not
read: see `lightgbm`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

Section = dict[str, str]
MOST_LINES = 22
"""Of a tree: LightGBM's loader reads no more."""
_WITH_EQUALS = ("feature_names", "monotone_constraints")
_INTEGERS = re.compile("[-+0-9 ]*")
_PARAMETERS = re.compile("(?ms)^parameters:$(.*?)(?:^end of parameters$|\\Z)")
_PARAMETER = re.compile(r"\[[^:]+:.*\]")


@dataclass(frozen=True)
class Text:
    """A model file: what its head says, and its trees, each of which is looked at when it is asked for."""

    head: Section
    body: str
    starts: list[int]
    """Where in the body each tree begins."""
    tail: str
    """What follows the trees."""

    def sections(self) -> Iterator[Section]:
        """The lines of each tree. Raises ValueError."""
        stops = [*self.starts[1:], len(self.body)]
        for index, (start, stop) in enumerate(zip(self.starts, stops, strict=True)):
            yield _tree(self.body[start:stop], index)


def parse(content: bytes) -> Text:
    """The file's parts. Raises ValueError for a head that LightGBM reads otherwise than it looks, or not at all."""
    text = normalized(content)
    first = text.find("\nTree=") + 1
    end = re.compile("^end of trees$", re.MULTILINE).search(text, first)
    if not first or not end:
        raise ValueError("the file is truncated: `end of trees` is missing")
    head, body, tail = _head(text[:first]), text[first : end.start()], text[end.end() :]
    starts = [found.start() for found in re.finditer("^Tree=", body, re.MULTILINE)]
    if "tree_sizes" in head:
        _check_sizes(integers(head["tree_sizes"]), body, starts)
    _check_parameters(tail)
    return Text(head, body, starts, tail)


def normalized(content: bytes) -> str:
    """As text, with line ends as LightGBM writes them. Raises ValueError."""
    text = content.decode()
    if "\0" in text:
        raise ValueError("a zero byte, which ends the text for LightGBM")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def integers(text: str) -> list[int]:
    """Whole numbers with blanks between them; what Python would read differently (`1_0`, other alphabets) is refused.

    Raises ValueError.
    """
    if not _INTEGERS.fullmatch(text):
        raise ValueError(f"not whole numbers: {text[:40]!r}")
    return [int(word) for word in text.split()]


def integer(section: Section, key: str) -> int:
    """Raises KeyError and ValueError."""
    found = integers(section[key])
    if len(found) != 1:
        raise ValueError(f"{key} is not one number")
    return found[0]


def _head(text: str) -> Section:
    lines = text.split("\n")
    if lines[0] != "tree":
        raise ValueError("it does not begin with `tree`")
    head: Section = {}
    for line in filter(None, lines):
        key, value = _head_pair(line)
        if key in head:
            raise ValueError(f"{key} twice")
        head[key] = value
    return head


def _head_pair(line: str) -> tuple[str, str]:
    """LightGBM splits a line at every `=` and drops empty pieces."""
    pieces = [piece for piece in line.split("=") if piece]
    if not pieces or line.startswith("=") or (len(pieces) > 2 and pieces[0] not in _WITH_EQUALS):  # noqa: PLR2004
        raise ValueError(f"a line that is no key and value: {line[:40]!r}")
    if len(pieces) > 2:  # noqa: PLR2004 - a key, and a value in more than one piece
        return pieces[0], line[len(pieces[0]) + 1 :]
    return pieces[0], "".join(pieces[1:])


def _check_sizes(sizes: list[int], body: str, starts: list[int]) -> None:
    """LightGBM takes a tree for each size, from where the sizes say, and not from where a line says `Tree=`."""
    if not body.isascii() or list(accumulate(sizes, initial=0))[: len(sizes)] != starts:
        raise ValueError("tree_sizes does not say where the trees are: remove that line, or save the model again")


def _check_parameters(tail: str) -> None:
    """LightGBM takes each line apart at its colon, whether it has one or not."""
    for found in _PARAMETERS.finditer(tail):
        for line in filter(None, found[1].split("\n")):
            if not _PARAMETER.fullmatch(line):
                raise ValueError(f"a line that is no parameter: {line[:40]!r}")


def _tree(block: str, index: int) -> Section:
    title, *lines = block.split("\n")
    if title != f"Tree={index}":
        raise ValueError(f"tree {index}: it is numbered {title.removeprefix('Tree=')[:40]}")
    if lines[-2:] != ["", ""]:
        raise ValueError(f"tree {index}: no blank line ends it")
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) > MOST_LINES:
        raise ValueError(f"tree {index}: {len(lines)} lines, of which LightGBM reads {MOST_LINES}")
    section: Section = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if not line:
            raise ValueError(f"tree {index}: a blank line within it, where LightGBM stops reading")
        if not equals or not key:
            raise ValueError(f"tree {index}: a line that is no key and value: {line[:40]!r}")
        if key in section:
            raise ValueError(f"tree {index}: {key} twice")
        section[key] = value
    return section
