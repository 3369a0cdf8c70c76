"""Draws lines between logarithmic axes, as SVG."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 480, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 32, 70, 60
COLORS = ["#1f5fa8", "#c2571a", "#2b8a4b"]
INK, GRID = "#222222", "#dddddd"


@dataclass(frozen=True)
class Panel:
    title: str
    axis: str
    # By name: points, all of them above 0.
    lines: dict
    # Writes a power of ten along the x axis.
    label: Callable | None = None


def _decades(values):
    """The powers of ten around all values."""
    return math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)


def _power(exponent):
    if -3 <= exponent < 0:
        return f"{10 ** exponent:.{-exponent}f}"
    if 0 <= exponent <= 4:
        return f"{10 ** exponent:,}".replace(",", " ")
    return f'10<tspan dy="-5" font-size="9">{exponent}</tspan>'


def _text(x, y, content, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {extra}>{content}</text>'


def _rule(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{GRID}"/>'


class _Drawing:
    def __init__(self, panel, offset):
        self.panel, self.offset = panel, offset
        points = [point for line in panel.lines.values() for point in line if point[1] > 0]
        self.x_decades, self.y_decades = _decades([x for x, _ in points]), _decades([y for _, y in points])

    def x(self, value):
        low, high = self.x_decades
        return self.offset + LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = self.y_decades
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def frame(self):
        left, right, top, bottom = self.offset + LEFT, self.offset + WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
        middle = (left + right) / 2
        yield _text(middle, TOP - 24, escape(self.panel.title), 'text-anchor="middle" font-weight="bold"')
        yield _text(middle, HEIGHT - 18, escape(self.panel.axis), 'text-anchor="middle"')
        for exponent in range(self.x_decades[0], self.x_decades[1] + 1):
            x = self.x(10**exponent)
            yield _rule(x, top, x, bottom)
            yield _text(x, bottom + 18, (self.panel.label or _power)(exponent), 'text-anchor="middle" font-size="11"')
        for exponent in range(self.y_decades[0], self.y_decades[1] + 1):
            y = self.y(10**exponent)
            yield _rule(left, y, right, y)
            yield _text(left - 8, y + 4, _power(exponent), 'text-anchor="end" font-size="11"')

    def line(self, number, points):
        color = COLORS[number % len(COLORS)]
        places = [(self.x(x), self.y(y)) for x, y in points if y > 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>'

    def legend(self, number, name):
        x, y = self.offset + LEFT + 14, TOP + 18 + 18 * number
        color = COLORS[number % len(COLORS)]
        yield f'<rect x="{x - 6}" y="{y - 13}" width="120" height="18" fill="#ffffff" fill-opacity="0.85"/>'
        yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 20}" y2="{y - 4}" stroke="{color}" stroke-width="3"/>'
        yield _text(x + 26, y, escape(name))

    def parts(self):
        yield from self.frame()
        for number, points in enumerate(self.panel.lines.values()):
            yield from self.line(number, points)
        for number, name in enumerate(self.panel.lines):
            yield from self.legend(number, name)


def svg(title, panels):
    width = WIDTH * len(panels)
    parts = [part for at, panel in enumerate(panels) for part in _Drawing(panel, WIDTH * at).parts()]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" fill="{INK}">'
    )
    heading = _text(width / 2, 24, escape(title), 'text-anchor="middle" font-size="16" font-weight="bold"')
    return "\n".join([head, f"<title>{escape(title)}</title>",
                      f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>', heading, *parts, "</svg>", ""])
