# SPDX-License-Identifier: Apache-2.0
"""Draws bursts: how many pods were in which phase when, as stacked areas, and PUT and Running as
curves. A burst is a row: creation on the left, deletion on the right."""

import bisect
import html
import math

WIDTH, ROW, HEAD = 1000, 250, 96
PLOTS = {"up": (64, 620), "down": (720, 976)}
TOP, HEIGHT = 46, 160
INK, PALE = "#222222", "#d9d9d9"
# Colours that people with any colour vision tell apart (Okabe and Ito); the order is from the axis
# upwards, and each phase ends where the next event begins.
PHASES = [("running", "Running in the API", "#009E73"),
          ("started", "group runs, API does not know yet", "#CC79A7"),
          ("put", "group is starting (PUT answered)", "#56B4E9"),
          ("made", "waiting for its PUT", "#E69F00")]
LEFT = ("left", "not gone yet", "#999999")
CURVES = [("put", "PUT", "6 4"), ("running", "Running", "")]
SAMPLES = 240


def nice_step(span, ticks=6):
    raw = max(span, 1e-9) / ticks
    power = 10 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)


class Plot:
    """One pair of axes."""

    def __init__(self, edges, top, seconds, pods):
        self.left, self.right = edges
        self.top, self.seconds, self.pods = top, max(seconds, 0.1) * 1.02, pods
        self.out = []

    def x(self, seconds):
        return round(self.left + (self.right - self.left) * seconds / self.seconds, 1)

    def y(self, pods):
        return round(self.top + HEIGHT * (1 - pods / self.pods), 1)

    def add(self, text):
        self.out.append(text)

    def axes(self):
        step = nice_step(self.seconds)
        for i in range(int(self.seconds / step) + 1):
            x = self.x(i * step)
            self.add(f'<path d="M{x} {self.top + HEIGHT}v4" stroke="{INK}"/>'
                     f'<text x="{x}" y="{self.top + HEIGHT + 17}" text-anchor="middle">'
                     f'{i * step:g} s</text>')
        step = max(1, nice_step(self.pods, 4))
        for i in range(int(self.pods / step) + 1):
            y = self.y(i * step)
            self.add(f'<path d="M{self.left} {y}H{self.right}" stroke="{PALE}"/>'
                     f'<text x="{self.left - 6}" y="{y + 4}" text-anchor="end">{i * step:g}</text>')
        self.add(f'<path d="M{self.left} {self.top}V{self.top + HEIGHT}H{self.right}" fill="none" '
                 f'stroke="{INK}"/>')

    def points(self, at):
        """(x, y) of how many of the sorted times `at` have come, at evenly spaced moments."""
        moments = [self.seconds * i / SAMPLES for i in range(SAMPLES + 1)]
        return [(self.x(t), self.y(bisect.bisect_right(at, t))) for t in moments]

    def area(self, upper, lower, colour, tip):
        path = [f"{x} {y}" for x, y in upper] + [f"{x} {y}" for x, y in reversed(lower)]
        self.add(f'<path d="M{"L".join(path)}Z" fill="{colour}"><title>{html.escape(tip)}</title>'
                 '</path>')

    def curve(self, points, dashes):
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.add(f'<path d="M{"L".join(f"{x} {y}" for x, y in points)}" fill="none" '
                 f'stroke="{INK}" stroke-width="2"{dash}/>')


def draw_up(burst, top):
    times = {what: sorted(at) for what, at in burst["timeline"]["up"].items()}
    plot = Plot(PLOTS["up"], top + TOP, times["running"][-1], burst["pods"])
    plot.axes()
    floor = [(x, plot.y(0)) for x, _ in plot.points([])]
    for what, label, colour in PHASES:
        # The clocks are two: an event may be seen before the one that led to it.
        points = [(x, min(y, below)) for (x, y), (_, below) in zip(plot.points(times[what]), floor)]
        plot.area(points, floor, colour, label)
        floor = points
    for what, label, dashes in CURVES:
        plot.curve(plot.points(times[what]), dashes)
        # Beside the last step, on the side where there is room.
        x = plot.x(times[what][-1])
        plot.add(f'<path d="M{x} {plot.top}v-6" stroke="{INK}"/><text x="{x}" y="{plot.top - 9}" '
                 f'text-anchor="{"end" if x > plot.right - 90 else "start"}">{label} '
                 f'{times[what][-1]:.1f} s</text>')
    return plot.out


def draw_down(burst, top):
    gone = sorted(burst["timeline"]["down"]["gone"])
    count = burst["pods"]
    plot = Plot(PLOTS["down"], top + TOP, gone[-1], count)
    plot.axes()
    moments = [plot.seconds * i / SAMPLES for i in range(SAMPLES + 1)]
    points = [(plot.x(t), plot.y(count - bisect.bisect_right(gone, t))) for t in moments]
    plot.area(points, [(x, plot.y(0)) for x, _ in points], LEFT[2], LEFT[1])
    plot.curve(points, "")
    plot.add(f'<text x="{plot.right}" y="{plot.top - 9}" text-anchor="end">deleted '
             f'{gone[-1]:.1f} s</text>')
    return plot.out


def legend():
    out, x = [], 64
    for _, label, colour in [*PHASES[::-1], LEFT]:
        out.append(f'<rect x="{x}" y="58" width="14" height="14" fill="{colour}"/>'
                   f'<text x="{x + 20}" y="70">{label}</text>')
        x += 42 + 6.3 * len(label)
    return out


def describe(name, burst):
    return (f"{name}: {burst['pods']} pods, all PUT after {burst['all PUT s']:.1f} s, all Running in "
            f"the API after {burst['all Running s']:.1f} s, all deleted after "
            f"{burst['deletion']['all deleted s']:.1f} s.")


def svg(title, bursts):
    """bursts: [(name, burst as burst.py writes it)], from the top down."""
    height = HEAD + ROW * len(bursts)
    sentences = " ".join(describe(name, burst) for name, burst in bursts)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title about" '
           f'font-family="sans-serif" font-size="12" fill="{INK}">',
           f'<title id="title">{html.escape(title)}</title>',
           f'<desc id="about">{html.escape(sentences)}</desc>',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
           f'<text x="64" y="34" font-size="18">{html.escape(title)}</text>', *legend()]
    for i, (name, burst) in enumerate(bursts):
        top = HEAD + ROW * i
        out.append(f'<text x="64" y="{top + 16}" font-size="14" font-weight="bold">'
                   f'{html.escape(name)}</text><text x="{PLOTS["down"][0]}" y="{top + 16}">'
                   'pods left after the first delete</text>')
        out += draw_up(burst, top) + draw_down(burst, top)
    return "\n".join([*out, "</svg>", ""])
