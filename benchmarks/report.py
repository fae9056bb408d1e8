"""What the benchmarks write into ``docs/benchmarks.md``: each its own part, between two marks, and its plots."""

import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
COLOURS = ("#0b6e99", "#d9730d", "#6940a5", "#448361", "#9b9a97")


def write_part(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between ``<!-- NAME -->`` and ``<!-- NAME end -->`` on the page.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- {name} end -->"
    before, found, rest = page.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{page} has no part between {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Return one line about the machine, as far as it says: processor, cores, memory, system, Python and the day."""
    about = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(": ")[2] for line in about.splitlines() if line.startswith("model name")]
    processor = f"{len(models)} x {models[0]}" if models else platform.processor() or platform.machine()
    return (
        f"{processor}, {_memory()}{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def plot(name: str, draw: Callable[[Any], None], *, wide: float = 7.5, high: float = 3.6) -> str:
    """Let ``draw`` fill the axes of a plot, kept as ``docs/images/NAME.svg``; return the Markdown that shows it."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and only the benchmarks have it

    mpl.use("svg")
    # Without these, the same figures make another file each time.
    mpl.rcParams |= {"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice of what it draws

    figure, axes = plt.subplots(figsize=(wide, high), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    draw(axes)
    path = DOCS / "images" / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    return f"![{axes.get_title()}](images/{path.name})"


def _memory() -> str:
    path = Path("/proc/meminfo")
    if not path.exists():
        return ""
    kilobytes = int(path.read_text().split("MemTotal:")[1].split()[0])
    return f"{kilobytes / 1024**2:.0f} GB, "
