"""One self-contained HTML file about a job: words, pictures, tables. Pure.

Nothing in it is loaded from anywhere, no script runs, and every text of a job is escaped. Pictures are handed in, drawn
by `draw`; without them bars of our own stand beside the features.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

import msgspec

from plots import words
from plots.explained import Explained
from plots.spec import RED, order

MOST_FEATURES, MOST_OUTPUTS = 200, 5
"""Lines and columns of the table of features; a longer one is cut, and says so."""
BAR_PIXELS = 220
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
figure { margin: 1rem 0; overflow-x: auto } img { max-width: 100%; background: #fff; border-radius: 4px }
.warning { border-left: 4px solid #c60; padding: .3rem .8rem; margin: .6rem 0 } .quiet { opacity: .75 }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } figure, tr { break-inside: avoid } }
"""


class Picture(msgspec.Struct, kw_only=True, frozen=True):
    """A drawn chart."""

    title: str
    description: str
    """Its text alternative."""
    media_type: str
    content: bytes


class Facts(msgspec.Struct, kw_only=True, frozen=True):
    """What there is to say about a job beside its values."""

    title: str
    table: list[tuple[str, str]]
    """Names and values, in order."""
    warnings: list[str] = []


def report(of: Explained, facts: Facts, pictures: Sequence[Picture], rows: Sequence[int] = (), note: str = "") -> str:
    """The whole file. `rows` are places in the sample that are told in words; `note`: why there are no pictures."""
    parts = [
        f"<h1>{escape(facts.title)}</h1>",
        *(f'<p class="warning">{escape(text)}</p>' for text in [*filter(None, [of.note]), *facts.warnings]),
        f"<p>{escape(words.of_job(of))}</p>",
        *(f'<p class="quiet">{escape(text)}</p>' for text in filter(None, [note])),
        *_section("Pictures", map(_figure, pictures)),
        *_section("Single rows", (f"<p>{escape(words.of_row(of, row))}</p>" for row in rows)),
        *_section("Features", [_features(of)]),
        *_section("Additivity", [f"<p>{escape(_additivity(of))}</p>"]),
        *_section("Model and job", [_facts(facts)]),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<title>{escape(facts.title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n<style>{STYLE}</style></head>\n'
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _section(title: str, content: Iterable[str]) -> list[str]:
    """Nothing where there is no content."""
    found = list(content)
    return [f"<h2>{escape(title)}</h2>", *found] if found else []


def _figure(picture: Picture) -> str:
    """As an image, in which nothing can run, whatever the drawing holds."""
    data = base64.b64encode(picture.content).decode()
    source = f"data:{picture.media_type};base64,{data}"
    return (
        f'<figure><img src="{source}" alt="{escape(picture.description)}">'
        f"<figcaption>{escape(picture.title)}: {escape(picture.description)}</figcaption></figure>"
    )


def _features(of: Explained) -> str:
    """Mean |SHAP| of each feature, a column an output, with a bar for their sum."""
    outputs = range(min(len(of.outputs), MOST_OUTPUTS))
    sizes = [of.importance(output) for output in range(len(of.outputs))]
    totals = [sum(of_outputs[place] for of_outputs in sizes) for place in range(len(of.features))]
    largest = max(totals, default=0.0) or 1.0
    several = len(of.outputs) > 1
    heads = ["Feature", "Mean |SHAP|", *(of.outputs[output] for output in outputs if several), ""]
    lines = []
    for place in order(totals)[:MOST_FEATURES]:
        numbers = [totals[place], *(sizes[output][place] for output in outputs if several)]
        cells = "".join(f'<td class="number">{number:.4g}</td>' for number in numbers)
        bar = _bar(totals[place] / largest)
        lines.append(f'<tr><th scope="row">{escape(of.features[place])}</th>{cells}<td>{bar}</td></tr>')
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    cut = f"<p>The first {MOST_FEATURES} of {len(of.features):,}.</p>" if len(of.features) > MOST_FEATURES else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{cut}"


def _bar(share: float) -> str:
    width = max(1, round(BAR_PIXELS * share))
    bar = f'<rect width="{width}" height="12" fill="{RED}"/>'
    return f'<svg width="{BAR_PIXELS}" height="12" aria-hidden="true">{bar}</svg>'


def _additivity(of: Explained) -> str:
    found = of.additivity
    if found is None or found.largest_error is None:
        return "How far base value plus SHAP values miss the model's own output is known when the job has finished."
    verdict = "within" if found.ok else "BEYOND"
    return (
        f"Base value plus SHAP values were compared with the model's own output in every chunk. In the worst row they "
        f"miss it by {found.largest_error:.2g}, {verdict} the tolerance of {found.tolerance:.2g}."
    )


def _facts(facts: Facts) -> str:
    lines = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in facts.table)
    return f"<table><tbody>{''.join(lines)}</tbody></table>"
