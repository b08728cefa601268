"""Makes matplotlib's SVG part of the page, in the page's own colours and fonts.

Charts are drawn with placeholder colours that become CSS variables, so that one chart suits light mode, dark mode and
print. Styles become attributes, because the content security policy of the served page forbids inline styles; ids get
the chart's prefix, because a page has several charts.
"""

import io
import re
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
SERIES = 8
"""Number of distinct series colours."""
INK, MUTED, RULE = "#000001", "#000002", "#000003"
COLOURS: Mapping[str, str] = MappingProxyType(
    {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)"}
    | {f"#0000{16 + number:02x}": f"var(--series-{number + 1})" for number in range(SERIES)}
)
STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.hashsalt": "rerank-bench",
    "font.size": 11,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
"""Style of every chart: few and thin lines, no box."""
REFERENCE = re.compile(r"url\(#([^)]+)\)")


def series_colour(number: int) -> str:
    """Return the placeholder of a series' colour; the ninth series has the first colour again."""
    return f"#0000{16 + number % SERIES:02x}"


def inline(figure: Figure, key: str, title: str) -> Markup:
    """Return the figure as an inline SVG element.

    Args:
        figure: drawn in the placeholder colours, inside `mpl.rc_context(STYLE)`.
        key: the chart's key, unique in the page.
        title: the accessible name of the chart.
    """
    drawn = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has the glyphs of every script
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(drawn, metadata=nothing)  # type: ignore[no-untyped-call]  # it has no types
    root = ET.fromstring(drawn.getvalue())  # noqa: S314  # made a line above
    referenced = {name for element in root.iter() for name in _references(element)}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}style":
                parent.remove(child)
    for element in root.iter():
        _style_to_attributes(element)
        _own_ids(element, key, referenced)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    label = ET.Element(f"{{{SVG}}}title")
    label.text = title
    root.insert(0, label)
    return Markup(_serialise(root))  # noqa: S704  # ElementTree has escaped it


def _references(element: ET.Element) -> list[str]:
    names = [name for value in element.attrib.values() for name in REFERENCE.findall(value)]
    link = element.get(f"{{{XLINK}}}href", "")
    return [*names, link[1:]] if link.startswith("#") else names


def _style_to_attributes(element: ET.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name and name != "font-family":
            element.set(name, COLOURS.get(value, value))


def _own_ids(element: ET.Element, key: str, referenced: set[str]) -> None:
    if (name := element.get("id")) is not None:
        if name in referenced:
            element.set("id", f"{key}-{name}")
        else:
            del element.attrib["id"]
    for attribute, value in element.attrib.items():
        element.set(attribute, REFERENCE.sub(rf"url(#{key}-\1)", value))
    link = element.attrib.pop(f"{{{XLINK}}}href", None)
    if link is not None:
        element.set("href", f"#{key}-{link[1:]}")


def _serialise(root: ET.Element) -> str:
    """Serialise without namespace prefixes, as HTML expects, and without matplotlib's line breaks in paths."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        if path := element.get("d"):
            element.set("d", " ".join(path.split()))
        if not (element.text or "").strip():
            element.text = None
        element.tail = None
    return ET.tostring(root, encoding="unicode")
