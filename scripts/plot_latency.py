#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""plot_latency: latencies of strategies, as a percentile curve each and as bars.

The curve's axis is 1 / (1 - percentile): as far again from 99 to 99.9 as from 90 to 99, so that the
slowest operations are seen. A .hgrm file gives the whole curve; a result.json has p50, p90, p99,
p99.9 and the maximum, which are joined by lines (the maximum is drawn at one in n operations).

Exit 0: drawn; 64: usage; 65: a file cannot be read or makes no sense; 69: matplotlib is missing;
74: the picture cannot be written.
"""
import argparse
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import plot_input as inputs  # noqa: E402

PERCENTS = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9))


def curve_of_cell(cell):
    """Points (1 / (1 - p), milliseconds) from the percentiles of a result."""
    latency = cell["latency_ns"]
    points = [(1 / (1 - percent / 100), latency[key] / 1e6) for key, percent in PERCENTS]
    count = inputs.operations(cell)
    points = [point for point in points if point[0] <= max(count, 2)]
    if count > points[-1][0]:
        points.append((float(count), latency["max"] / 1e6))
    return points


def bars_of_cell(cell):
    return [cell["latency_ns"][key] / 1e6 for key, _ in PERCENTS]


def bars_of_curve(points):
    """The value at each percentile: of the first point at or past it."""
    values = []
    for _, percent in PERCENTS:
        wanted = 1 / (1 - percent / 100)
        values.append(next((ms for x, ms in points if x >= wanted * 0.999), points[-1][1]))
    return values


def collect(paths):
    """A list of (name, points, bars, is_curve) over all the files."""
    series, about = [], []
    for path in paths:
        if path.endswith(".hgrm"):
            for name, points in inputs.read_hgrm(path):
                series.append((name, points, bars_of_curve(points), True))
            continue
        result = inputs.read_result(path)
        about.append(inputs.describe(result))
        for label, cell in inputs.labelled(result):
            if inputs.operations(cell) > 0:
                series.append((label, curve_of_cell(cell), bars_of_cell(cell), False))
    if not series:
        inputs.fail(65, "no cell has any latency: nothing to draw")
    return series, about


def figure_inches(axes):
    """Height of the axes, roughly: what stands below them keeps its distance."""
    return axes.figure.get_size_inches()[1] * 0.66


def draw_curves(axes, series, plt):
    far = max(x for _, points, _, _ in series for x, _ in points)
    for index, (name, points, _, whole) in enumerate(series):
        style = inputs.style(index)
        shown = [(x, ms) for x, ms in points if ms > 0]
        axes.plot(
            [x for x, _ in shown],
            [ms for _, ms in shown],
            color=style["color"],
            linestyle=style["line"],
            marker=None if whole else style["marker"],
            markersize=5,
            linewidth=1.8,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = [1, 2, 10, 100, 1000, 10000, 100000, 1000000, 10000000]
    names = ["0", "50", "90", "99", "99.9", "99.99", "99.999", "99.9999", "99.99999"]
    near = 1 if any(whole for *_, whole in series) else 1.8
    shown = [index for index, tick in enumerate(ticks) if near <= tick <= far * 1.1]
    axes.set_xticks([ticks[i] for i in shown], [names[i] for i in shown])
    axes.xaxis.set_minor_locator(plt.NullLocator())
    axes.set_xlim(near, far * 1.2)
    inputs.log_axis(axes.yaxis, inputs.milliseconds, plt)
    axes.set_xlabel("percentile of operations (scale: 1 / (1 - p))")
    axes.set_ylabel("latency of an operation")
    axes.set_title("Latency by percentile", loc="left", fontsize=11)
    inputs.grid(axes)


def draw_bars(axes, series, plt):
    shades = ("#56b4e9", "#0072b2", "#e69f00", "#d55e00")
    names = ("p50", "p90", "p99", "p99.9")
    height = 0.8 / len(names)
    for place in range(len(names)):
        axes.barh(
            [row - 0.4 + height * (place + 0.5) for row in range(len(series))],
            [bars[place] for _, _, bars, _ in series],
            height=height * 0.92,
            color=shades[place],
            label=names[place],
        )
    axes.set_yticks(range(len(series)), [name for name, *_ in series])
    axes.invert_yaxis()
    axes.set_xscale("log")
    values = [value for _, _, bars, _ in series for value in bars if value > 0]
    axes.set_xlim(10 ** math.floor(math.log10(min(values)) - 0.1), max(values) * 1.15)
    inputs.log_axis(axes.xaxis, inputs.milliseconds, plt)
    axes.set_xlabel("latency of an operation")
    axes.set_title("Percentiles by strategy", loc="left", fontsize=11)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.62 / figure_inches(axes)), ncol=4,
                frameon=False)
    inputs.grid(axes, "x")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inputs.add_arguments(parser, "latency.png")
    arguments = inputs.parse(parser)
    plt = inputs.matplotlib_pyplot()
    series, about = collect(arguments.paths)
    series = inputs.only(series, arguments.only, lambda one: one[0])
    if len(series) > inputs.SERIES_MAX:
        inputs.fail(64, f"{len(series)} curves are too many for one picture (at most "
                        f"{inputs.SERIES_MAX}); choose some with --only NAME")
    tall = max(5.2, 2.2 + 0.42 * len(series))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.5, tall), layout="constrained")
    draw_curves(left, series, plt)
    draw_bars(right, series, plt)
    widest = max(len(name) for name, *_ in series)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.62 / figure_inches(left)),
                frameon=False, ncol=min(4, math.ceil(72 / (14 + widest))))
    inputs.finish(figure, arguments, "Latency of concurrent updates", about)


if __name__ == "__main__":
    main()
