"""How time and memory grow with the library: a plot of the results saved by ``--json``.

python -m benchmarks.growth RESULTS PICTURE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = ("20k", "200k", "500k", "1m")
PASSES = {
    "first": ("first sync", "tab:blue", "o"),
    "unchanged": ("full pass, nothing changed", "tab:green", "s"),
    "floor": ("floor: fetch, decode, insert", "tab:gray", "^"),
}
BUDGETS_MIB = {20_000: 120, 500_000: 250}


def draw(results: dict[str, Any], picture: Path) -> None:
    """Plot seconds and mebibytes against episodes."""
    found = {(each["case"], each["program"]): each for each in results["figures"]}
    figure, (time, memory) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for program, (label, colour, marker) in PASSES.items():
        points = [found[size, program] for size in SIZES if (size, program) in found]
        episodes = [point["episodes"] for point in points]
        style = {"label": label, "color": colour, "marker": marker}
        time.plot(episodes, [point["wall_s"] for point in points], **style)
        memory.plot(episodes, [point["peak_mib"] for point in points], **style)
    _linear(time, found)
    memory.scatter(*zip(*BUDGETS_MIB.items(), strict=True), color="tab:red", marker="_", s=200, label="at most")
    for axes in (time, memory):
        axes.set_xscale("log")
        axes.set_xlabel("episodes")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(visible=True, which="both", alpha=0.25)
        axes.legend(frameon=False)
    time.set_yscale("log")
    time.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    time.set_ylabel("seconds, whole process")
    time.set_title("Time")
    memory.set_ylim(bottom=0)
    memory.set_ylabel("peak memory, MiB")
    memory.set_title("Memory")
    figure.savefig(picture, dpi=110)


def _linear(axes: Axes, found: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Plot the time under linear growth, extrapolated from the first sync of at most 200,000 episodes."""
    start = found.get(("200k", "first")) or found["20k", "first"]
    rate = start["wall_s"] / start["episodes"]
    ends = (20_000, max(each["episodes"] for (_, program), each in found.items() if program == "first"))
    axes.plot(ends, [rate * end for end in ends], color="black", linestyle=":", linewidth=1, label="slope 1")


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
