"""The live screen of a run: its lines above, and below what is going on right now."""

import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chaoslab.cli.narrator import Narrator
from chaoslab.cli.progress import Progress
from chaoslab.cli.terminal import colored, flat
from chaoslab.core.units import format_duration, format_share
from chaoslab.runtime.clock import CLOCK

_BARS = "▁▂▃▄▅▆▇█"
_SECONDS_SHOWN = 40
_BAR_WIDTH = 24
_LATENCY_KEPT = 2000
_REFRESH_HZ = 8


class Screen:
    """Shows one run on a terminal; a context manager, to be called with each event."""

    def __init__(self, *, verbose: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, no_color=not colored(sys.stderr))
        self._narrator = Narrator(self._write, verbose=verbose, progress=False)
        self._now = _Now()
        self._live = Live(
            console=self._console,
            get_renderable=self._now.render,
            refresh_per_second=_REFRESH_HZ,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Take the lower lines of the screen."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the screen back, cursor and all; a terminal that is gone takes nothing back."""
        with suppress(OSError):
            self._live.stop()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take the next event."""
        self._now.take(event)
        self._narrator(event)

    def _write(self, line: str) -> None:
        self._console.print(Text.from_ansi(line), soft_wrap=True)


class _Now:
    """What is going on: the step, the faults that are on, what the probers see."""

    def __init__(self) -> None:
        self._began = CLOCK.mono()
        self._lock = threading.Lock()
        self._steps: dict[int, tuple[str, str, float]] = {}
        self._faults: dict[int, tuple[str, float]] = {}
        self._probers: dict[str, _Prober] = {}
        self._progress: Progress | None = None
        self._stopping = ""

    def take(self, event: Mapping[str, Any]) -> None:
        """Keep up with the run."""
        with self._lock:
            self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["kind"]:
            case "run-started":
                self._began = CLOCK.mono() - event["mono_s"]
            case "step-started":
                self._steps[event["step"]] = (event["phase"], flat(event["name"]), event["mono_s"])
            case "step-ended":
                self._steps.pop(event["step"], None)
                self._progress = None
            case "progress":
                self._progress = self._progress or Progress()
                self._progress.take(event)
            case "fault-intended" if event["role"] == "fault":
                what = flat(f"{event['name']} on {event['target']}")
                self._faults[event["entry"]] = (what, event["mono_s"] + event["ttl_s"])
            case "fault-undone":
                self._faults.pop(event["entry"], None)
            case "samples":
                self._probers.setdefault(event["prober"], _Prober()).take(event["batch"])
            case "interrupted":
                self._stopping = flat(event["reason"])

    def render(self) -> Group:
        """Draw it; called by the thread that refreshes the screen."""
        now_s = CLOCK.mono() - self._began
        grid = Table.grid(padding=(0, 2))
        with self._lock:
            for phase, name, start_s in self._steps.values():
                grid.add_row(Text("▶", "cyan"), phase, Text(name), format_duration(max(0.0, now_s - start_s)))
            if self._progress is not None:
                done = round(self._progress.share * _BAR_WIDTH)
                grid.add_row(
                    "",
                    "",
                    Text("█" * done, "cyan") + Text("░" * (_BAR_WIDTH - done), "dim"),
                    Text(flat(self._progress.text())),
                )
            for what, until_s in self._faults.values():
                left = format_duration(max(0.0, until_s - now_s))
                grid.add_row(Text("⚡", "yellow"), "fault", Text(what), f"undone in {left} at the latest")
            for name, prober in self._probers.items():
                grid.add_row(Text("~", "cyan"), name, *prober.cells())
            how = f"stopping: {self._stopping}" if self._stopping else "Ctrl-C stops and undoes"
        return Group(grid, Text(f"{format_duration(now_s)}  {how}", "dim"))


class _Prober:
    """The last samples of one prober."""

    def __init__(self) -> None:
        self._good = 0
        self._count = 0
        self._latencies_s: deque[float] = deque(maxlen=_LATENCY_KEPT)
        self._by_second: dict[int, list[int]] = {}

    def take(self, batch: list[list[Any]]) -> None:
        """Add samples [at_s, latency_s, good, note]."""
        for at_s, latency_s, good, *_ in batch:
            self._count += 1
            self._good += bool(good)
            if good:
                self._latencies_s.append(latency_s)
            cell = self._by_second.setdefault(int(at_s), [0, 0])
            cell[0] += bool(good)
            cell[1] += 1
        for second in sorted(self._by_second)[:-_SECONDS_SHOWN]:
            del self._by_second[second]

    def cells(self) -> tuple[Text, str]:
        """Return the strip of availability by second, and the figures."""
        strip = Text()
        for _, (good, count) in sorted(self._by_second.items()):
            share = good / count
            strip.append(_BARS[round(share * (len(_BARS) - 1))], "green" if share == 1 else "red")
        share = self._good / self._count if self._count else 0.0
        return strip, f"{format_share(share)} good, p99 {self._p99()}"

    def _p99(self) -> str:
        ordered = sorted(self._latencies_s)
        return format_duration(ordered[int(0.99 * (len(ordered) - 1))]) if ordered else "unknown"
