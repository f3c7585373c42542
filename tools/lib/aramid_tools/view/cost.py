# SPDX-License-Identifier: MIT
"""--cost: what each POSIX call cost, by client, kernel and server: a table, and a flame graph in SVG."""
from html import escape

from aramid_tools.view.calls import layers, total

WIDTH, ROW, TEXT = 1200, 18, 7 # pixels: of the picture, of a row, of a letter
COLOURS = {"client": "#7fb069", "kernel": "#d36135", "sockd": "#3e92cc", "procd": "#9b72aa", "filed": "#e6aa68", "consoled": "#8d99ae"}


def table(calls):
    """Lines: a row a call name, the dearest first."""
    sums = {}
    for call in calls:
        count, cost = sums.setdefault(call.name, [0, {}])
        sums[call.name][0] = count + 1
        for layer, ticks in call.cost.items():
            cost[layer] = cost.get(layer, 0) + ticks
    names = layers({layer for _, cost in sums.values() for layer in cost})
    yield f"{'call':<20} {'count':>7} {'ticks':>12} {'each':>9}" + "".join(f" {name:>11}" for name in names)
    everything = {}
    for name, (count, cost) in sorted(sums.items(), key=lambda item: -total(item[1][1])):
        yield _row(name, count, cost, names)
        for layer, ticks in cost.items():
            everything[layer] = everything.get(layer, 0) + ticks
    yield _row("all", sum(count for count, _ in sums.values()), everything, names)


def _row(name, count, cost, names):
    ticks = total(cost)
    return f"{name:<20} {count:>7,} {ticks:>12,} {ticks // max(count, 1):>9,}" + "".join(f" {cost.get(layer, 0):>11,}" for layer in names)


# ---- the flame graph ----

def label(step):
    return step.event.get("op") or step.event["call"]


def stacks(calls):
    """{(frame, …): ticks}: process, call, message, …, layer. A frame's own ticks are its cost less that of what it holds."""
    found = {}

    def add(stack, item):
        own = dict(item.cost)
        for step in item.steps:
            for layer, ticks in step.cost.items():
                own[layer] = own.get(layer, 0) - ticks
            if step.cost:
                add(stack + (label(step),), step)
        for layer, ticks in own.items():
            if ticks > 0:
                found[stack + (layer,)] = found.get(stack + (layer,), 0) + ticks

    for call in calls:
        add((call.process, "page fault" if call.name == "fault" else call.name), call)
    return found


class Frame:
    def __init__(self, name):
        self.name, self.ticks, self.children = name, 0, {}


def tree(found):
    root = Frame("all")
    for stack, ticks in found.items():
        frame = root
        frame.ticks += ticks
        for name in stack:
            frame = frame.children.setdefault(name, Frame(name))
            frame.ticks += ticks
    return root


def depth(frame):
    return 1 + max(map(depth, frame.children.values()), default=0)


def colour(name):
    if name in COLOURS:
        return COLOURS[name]
    return f"hsl({40 + sum(map(ord, name)) % 30}, 60%, {70 + sum(map(ord, name)) % 12}%)"


def _draw(frame, x, level, height, scale, whole):
    width = frame.ticks * scale
    if width < 0.3:
        return
    y = height - (level + 1) * ROW
    share = 100 * frame.ticks / whole
    yield (f'<g><title>{escape(frame.name)}: {frame.ticks:,} ticks, {share:.2f} %</title>'
           f'<rect x="{x:.2f}" y="{y}" width="{max(width - 0.4, 0.2):.2f}" height="{ROW - 1}" fill="{colour(frame.name)}"/>')
    letters = int((width - 6) / TEXT)
    if letters >= 3:
        name = frame.name if len(frame.name) <= letters else frame.name[:letters - 1] + "…"
        yield f'<text x="{x + 3:.2f}" y="{y + ROW - 5}">{escape(name)}</text>'
    yield "</g>"
    for child in sorted(frame.children.values(), key=lambda child: child.name):
        yield from _draw(child, x, level + 1, height, scale, whole)
        x += child.ticks * scale


def svg(calls, title):
    """A picture that needs nothing else: the foot of the mouse tells a frame's ticks."""
    root = tree(stacks(calls))
    height = (depth(root) + 2) * ROW
    title = title if len(title) <= WIDTH // TEXT - 4 else title[:WIDTH // TEXT - 5] + "…"
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
           f'font-family="monospace" font-size="12"><rect width="100%" height="100%" fill="#fdfcf9"/>'
           f'<text x="6" y="{ROW - 4}" font-weight="bold">{escape(title)}</text>')
    if root.ticks:
        yield from _draw(root, 0, 0, height, WIDTH / root.ticks, root.ticks)
    yield "</svg>"
