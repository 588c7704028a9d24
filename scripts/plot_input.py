#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""plot_input: what the plotting scripts share: reading results, names of cells, colours, the frame
of a picture. Not a program.

Colours are Okabe and Ito's eight, which people with any colour vision tell apart; line style and
marker differ as well, so that a black-and-white print does.
"""
import argparse
import json
import os
import sys

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d00")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SERIES_MAX = 16
INSTALL = "sudo apt-get install -y --no-install-recommends python3-matplotlib"
SETTINGS = ("scenario", "transport", "workers", "instances", "processes", "ops", "seed")


def fail(code, message):
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(code)


def matplotlib_pyplot():
    """matplotlib.pyplot without a display, or exit 69 with the line that installs it."""
    try:
        import matplotlib
    except ImportError:
        fail(69, f"matplotlib is missing for {sys.executable}; install it with: {INSTALL}")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "racebench",
            "legend.handlelength": 3,
        }
    )
    return plt


def style(index):
    return {
        "color": COLOURS[index % len(COLOURS)],
        "line": LINES[(index + index // len(COLOURS)) % len(LINES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def read_result(path):
    """A result.json, also by its run's folder."""
    if os.path.isdir(path):
        path = os.path.join(path, "result.json")
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        fail(65, f"cannot read {path}: {error}")
    schema = result.get("schema") if isinstance(result, dict) else None
    if schema != "racebench.result/1":
        fail(65, f"{path} is no result of racebench: 'schema' is {schema!r} and not "
                 "'racebench.result/1'")
    try:
        for cell in result["cells"]:
            for key in ("scenario", "strategy", "workers", "verdict", "throughput_ops_s"):
                cell[key]
            for key in ("p50", "p90", "p99", "p999", "max"):
                cell["latency_ns"][key] + 0
            cell["counts"]["lost"] + cell["counts"]["acked"]
    except (KeyError, TypeError, IndexError) as error:
        fail(65, f"{path} is damaged: {error} is missing or of the wrong type")
    return result


def read_hgrm(path):
    """A list of (name, points) out of HdrHistogram's percentile text; values are milliseconds."""
    tables = []
    name = os.path.basename(path)[: -len(".hgrm")]
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for line in lines:
            if line.startswith("# cell: "):
                name = line[len("# cell: "):]
            words = line.split()
            if words[:1] == ["Value"]:
                tables.append((name, []))
            elif words and not line.startswith("#"):
                value, inverse = float(words[0]), words[3] if len(words) > 3 else "inf"
                count = float(words[2])
                # The last row has no 1/(1-p): it is the maximum, at one in `count`.
                x = count if inverse == "inf" else float(inverse)
                tables[-1][1].append((x, value))
    except (OSError, ValueError, IndexError) as error:
        fail(65, f"cannot read {path} as .hgrm: {error}")
    if not any(points for _, points in tables):
        fail(65, f"{path} holds no percentiles; is it a .hgrm file?")
    return [(name, points) for name, points in tables if points]


def operations(cell):
    counts = cell["counts"]
    return sum(counts[key] for key in ("acked", "nothing", "busy", "failed", "unknown"))


def varying(result):
    cells = result["cells"]
    return [key for key in SETTINGS if len({str(cell.get(key)) for cell in cells}) > 1]


def phrase(cell, key):
    if key in ("scenario", "transport"):
        return str(cell[key])
    if key == "seed":
        return f"seed {cell[key]}"
    noun = {"ops": "operations"}.get(key, key)
    singular = noun[:-2] if noun == "processes" else noun[:-1]
    return f"{cell[key]:,} {singular if cell[key] == 1 else noun}"


def labelled(result):
    """(label, cell): the strategy, and what varies among the cells."""
    keys = varying(result)
    for cell in result["cells"]:
        more = ", ".join(phrase(cell, key) for key in keys)
        yield (f"{cell['strategy']} ({more})" if more else cell["strategy"]), cell


def describe(result):
    """What all cells have in common, as a subtitle."""
    cells = result["cells"]
    if not cells:
        return "no cell"
    first, changing = cells[0], varying(result)
    shown = [key for key in ("scenario", "workers", "ops", "seed") if key not in changing]
    words = [phrase(first, key) for key in shown]
    engine = first["engine"]
    kind = "embedded engine, one thread, not MongoDB" if engine["name"] == "embedded" \
        else f"MongoDB {engine['version']}"
    if any(cell["clock"] == "virtual" for cell in cells):
        words.append("virtual times")
    return ", ".join(words) + f"; {kind}; {result['environment']['cpu']}"


def milliseconds(value, _position=None):
    """A tick: 250 us, 1 ms, 2 s."""
    if value <= 0:
        return "0"
    if value < 1:
        return f"{value * 1000:g} us"
    return f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"


def log_axis(axis, formatter, plt):
    """A logarithmic axis with a few labelled ticks: 1, 2, 5 in each decade when decades are few."""
    from matplotlib import ticker

    low, high = sorted(axis.get_view_interval())
    few = low > 0 and high / low < 300
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if few else (1,), numticks=20))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(plt.FuncFormatter(formatter))


def grid(axes, which="both"):
    axes.grid(True, axis=which, which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)


def add_arguments(parser, output):
    parser.add_argument("paths", nargs="+", metavar="RESULT",
                        help="a run's folder (results/runs/latest) or its result.json"
                        + ("; or a .hgrm file" if output.startswith("latency") else ""))
    parser.add_argument("-o", "--output", default=output, metavar="FILE",
                        help=f"picture to write, .png or .svg (default: {output})")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="draw only what is named so, or begins so (repeatable)")
    parser.add_argument("--title", help="title instead of the usual one")


def parse(parser):
    """Parses the command line; usage errors end with 64, like racebench's own."""
    parser.error = lambda message: fail(64, f"{message}; see --help")
    arguments = parser.parse_args()
    if not arguments.output.lower().endswith((".png", ".svg", ".pdf")):
        fail(64, f"--output {arguments.output}: a name that ends in .png, .svg or .pdf is needed")
    return arguments


def only(series, names, name_of):
    if not names:
        return series
    chosen = [one for one in series if any(name_of(one).startswith(name) for name in names)]
    if not chosen:
        have = ", ".join(sorted({name_of(one) for one in series}))
        fail(64, f"nothing is named {' or '.join(names)}; there are: {have}")
    return chosen


def finish(figure, arguments, title, about):
    """Title, subtitle, file."""
    lines = list(dict.fromkeys(about))
    height = figure.get_size_inches()[1]
    figure.suptitle(arguments.title or title, x=0.012, y=1 - 0.1 / height, va="top", ha="left",
                    fontsize=14, fontweight="bold")
    figure.text(0.012, 0.08 / height, "\n".join(lines), ha="left", va="bottom", fontsize=8,
                color="#555555")
    foot = (0.1 + 0.17 * len(lines)) / height
    figure.get_layout_engine().set(rect=(0.005, foot, 0.985, 1 - foot - 0.42 / height), w_pad=0.15)
    try:
        # No date in the file: the same result gives the same bytes.
        svg = arguments.output.lower().endswith(".svg")
        figure.savefig(arguments.output, dpi=130, metadata={"Date": None} if svg else None)
    except OSError as error:
        fail(74, f"cannot write {arguments.output}: {error.strerror}")
    print(arguments.output)


if __name__ == "__main__":
    fail(64, "not a program; see plot_latency.py and plot_sweep.py")
