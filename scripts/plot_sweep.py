#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""plot_sweep: lost updates, latency and throughput of strategies over the number of workers.

Draws what a sweep found (racebench --workers 1,10,100,1000): the share of acknowledged updates that
is gone, the 99th percentile of latency, and acknowledged operations per second. Several results can
be given; cells of the same strategy are joined to one line. Hollow points have no verdict (a single
worker cannot race). Where nothing is lost the first picture shows 0.

Exit 0: drawn; 64: usage; 65: a file cannot be read or makes no sense; 69: matplotlib is missing;
74: the picture cannot be written.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import plot_input as inputs  # noqa: E402


def lost_percent(cell):
    counts = cell["counts"]
    return 100 * counts["lost"] / counts["acked"] if counts["acked"] > 0 else None


def p99_ms(cell):
    value = cell["latency_ns"]["p99"]
    return value / 1e6 if value > 0 else None


def operations_s(cell):
    value = cell["throughput_ops_s"]
    return value if value > 0 else None


def collect(paths):
    """{name: [cell, ...]} by strategy (and scenario, when there are several), sorted by workers."""
    results = [inputs.read_result(path) for path in paths]
    cells = [cell for result in results for cell in result["cells"]]
    scenarios = len({cell["scenario"] for cell in cells}) > 1
    series = {}
    for cell in cells:
        name = f"{cell['strategy']} ({cell['scenario']})" if scenarios else cell["strategy"]
        series.setdefault(name, []).append(cell)
    if len({cell["workers"] for cell in cells}) < 2:
        inputs.fail(65, "all cells have the same number of workers: this is no sweep; run "
                        "racebench with --workers 1,10,100")
    for line in series.values():
        line.sort(key=lambda cell: cell["workers"])
    return sorted(series.items()), [inputs.describe(result) for result in results]


def draw(axes, series, value_of, plt):
    for index, (name, cells) in enumerate(series):
        style = inputs.style(index)
        points = [(cell["workers"], value_of(cell), cell["verdict"]) for cell in cells]
        points = [point for point in points if point[1] is not None]
        axes.plot([x for x, *_ in points], [y for _, y, _ in points], color=style["color"],
                  linestyle=style["line"], marker=style["marker"], markersize=6, linewidth=1.8,
                  label=name, zorder=3, clip_on=False)
        hollow = [(x, y) for x, y, verdict in points if verdict == "unknown"]
        axes.plot([x for x, _ in hollow], [y for _, y in hollow], linestyle="",
                  marker=style["marker"], markersize=6, markeredgecolor=style["color"],
                  markerfacecolor="white", zorder=4, clip_on=False)
    axes.set_xscale("log")
    workers = sorted({cell["workers"] for _, cells in series for cell in cells})
    axes.set_xticks(workers, [f"{count:,}" for count in workers])
    axes.xaxis.set_minor_locator(plt.NullLocator())
    axes.set_xlabel("workers")
    axes.margins(x=0.06)
    inputs.grid(axes)


def draw_lost(axes, series, plt):
    """Shares from 0 to 100 %; a logarithmic scale that reaches 0, since one in 10,000 matters."""
    draw(axes, series, lost_percent, plt)
    axes.set_yscale("symlog", linthresh=0.01, linscale=0.6)
    axes.set_yticks([0, 0.01, 0.1, 1, 10, 100], ["0 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
    axes.yaxis.set_minor_locator(plt.NullLocator())
    axes.set_ylim(-0.003, 160)
    axes.set_title("Lost updates", loc="left", fontsize=11)
    axes.set_ylabel("share of acknowledged updates")
    zero = [name for name, cells in series if all(cell["counts"]["lost"] == 0 for cell in cells)]
    if 1 < len(zero) <= 8:
        axes.annotate("nothing lost: " + ",\n".join(
            ", ".join(zero[i:i + 3]) for i in range(0, len(zero), 3)),
            (0.98, 0.09), xycoords="axes fraction", ha="right", va="bottom", fontsize=8,
            color="#333333")


def draw_p99(axes, series, plt):
    draw(axes, series, p99_ms, plt)
    axes.set_yscale("log")
    inputs.log_axis(axes.yaxis, inputs.milliseconds, plt)
    axes.set_title("Latency, 99th percentile", loc="left", fontsize=11)
    axes.set_ylabel("of a whole operation")


def draw_throughput(axes, series, plt):
    draw(axes, series, operations_s, plt)
    axes.set_yscale("log")
    inputs.log_axis(axes.yaxis, lambda value, _: f"{value:,.0f}", plt)
    axes.set_title("Throughput", loc="left", fontsize=11)
    axes.set_ylabel("acknowledged operations per second")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inputs.add_arguments(parser, "sweep.png")
    arguments = inputs.parse(parser)
    plt = inputs.matplotlib_pyplot()
    series, about = collect(arguments.paths)
    series = inputs.only(series, arguments.only, lambda one: one[0])
    if len(series) > inputs.SERIES_MAX:
        inputs.fail(64, f"{len(series)} lines are too many for one picture (at most "
                        f"{inputs.SERIES_MAX}); choose some with --only NAME")
    figure, axes = plt.subplots(1, 3, figsize=(14.5, 5), layout="constrained")
    draw_lost(axes[0], series, plt)
    draw_p99(axes[1], series, plt)
    draw_throughput(axes[2], series, plt)
    axes[2].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    if any(cell["verdict"] == "unknown" for _, cells in series for cell in cells):
        about.append("hollow: no verdict")
    inputs.finish(figure, arguments, "What more workers cost", about)


if __name__ == "__main__":
    main()
