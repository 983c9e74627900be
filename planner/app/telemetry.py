"""How a flight looks on the terminal: preflight table, live status."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from planner.app.pathmap import PathMap
from planner.link.preflight import Check
from planner.link.status import Status
from planner.mission import Mission

__all__ = ["FlightDisplay", "checks_table"]

_PLAIN_EVERY_S = 10.0


def checks_table(checks: tuple[Check, ...]) -> str:
    """The preflight's findings as lines of text."""
    width = max(len(check.name) for check in checks)
    return "\n".join(
        f"  {check.verdict.value.upper():<4}  {check.name:<{width}}  {check.finding}"
        + (f" -> {check.advice}" if check.advice and check.verdict != "pass" else "")
        for check in checks
    )


class FlightDisplay:
    """Shows a vehicle's status live on a terminal, or a line every ten seconds elsewhere; use as a context manager."""

    def __init__(self, mission: Mission | None = None) -> None:
        """With a mission, a map of its path shows where the vehicle is."""
        from rich.console import Console

        self._console = Console(stderr=True)
        self._map = PathMap(mission) if mission is not None else None
        self._live: Any = None
        self._last_line = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Show a status; the live display begins with the first one, so that questions and bars come before it."""
        if self._console.is_terminal:
            if self._live is None:
                from rich.live import Live

                self._live = Live(console=self._console, refresh_per_second=5, transient=False)
                self._live.start()
            self._live.update(self._panel(status))
        elif time.monotonic() - self._last_line >= _PLAIN_EVERY_S:
            self._last_line = time.monotonic()
            print(_line(status), file=sys.stderr, flush=True)

    def _panel(self, status: Status) -> Any:
        from rich.panel import Panel
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, value in _rows(status):
            table.add_row(name, value)
        if self._map is not None:
            table.add_row("plan", self._map.drawn(status))
        style = "red" if status.link_age_s > 3 else "green" if status.armed else "yellow"
        return Panel(table, title="armed" if status.armed else "disarmed", border_style=style)


def _rows(status: Status) -> list[tuple[str, str]]:
    place = f"{status.lat_deg:.6f}, {status.lon_deg:.6f}" if status.lat_deg else "not known"
    height = f"{status.alt_rel_m:.0f} m" if status.alt_rel_m is not None else "-"
    speed = f"{status.speed_m_s:.1f} m/s" if status.speed_m_s is not None else "-"
    volts = f", {status.battery_v:.1f} V" if status.battery_v else ""
    battery = f"{status.battery_percent} %{volts}" if status.battery_percent is not None else "-"
    planned = f" of {status.photos_planned}" if status.photos_planned else ""
    link = "good" if status.link_age_s < 3 else f"silent for {status.link_age_s:.0f} s"
    return [
        ("mode", status.mode),
        ("position", f"{place}, {height} above home, {speed}"),
        ("item", f"{status.item} of {status.items}"),
        ("photos", f"{status.photos}{planned}"),
        ("time left", "-" if status.left_s is None else f"{status.left_s // 60:.0f} min {status.left_s % 60:02.0f} s"),
        ("battery", battery),
        ("satellites", "-" if status.satellites is None else str(status.satellites)),
        ("link", f"{link}, {status.link_loss:.0%} lost"),
        ("vehicle says", status.text),
    ]


def _line(status: Status) -> str:
    rows = dict(_rows(status))
    height = f"{status.alt_rel_m:.0f} m" if status.alt_rel_m is not None else "-"
    return (
        f"{rows['mode']}  item {rows['item']}  height {height}  photos {rows['photos']}  battery {rows['battery']}  "
        f"left {rows['time left']}  link {rows['link']}"
    )
