"""What `fly` and `resume` share: asking before arming, the display, and saying how a flight went."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imagery.core.errors import BadInputError
from imagery.core.photolog import PhotoRecord
from planner.app.flights import drone_beside, ground_beside
from planner.app.run import Run
from planner.app.telemetry import FlightDisplay, checks_table
from planner.link.flight import FlightLog, fly
from planner.link.rejoin import Rejoined, rejoin
from planner.mission import Mission

__all__ = ["Flying", "abort_flight"]

VEHICLE_OR_LINK = 3  # exit code


@dataclass(frozen=True, slots=True)
class Flying:
    """How a flight is to be flown, as the options say."""

    run: Run
    flight: Path
    number: int
    url: str
    out: Path
    yes: bool
    arm: bool
    ready_timeout_s: float
    system: int | None
    signing_key: Path | None

    def fly(
        self, mission: Mission, survey: Mission | None = None, taken: tuple[PhotoRecord, ...] = ()
    ) -> dict[str, Any]:
        """Fly a mission, or with `survey` the rest of one; the command's result."""
        if not self.yes and not sys.stdin.isatty():
            raise BadInputError("cannot ask before arming without a terminal: give --yes to arm without asking")
        with FlightDisplay(mission) as display:
            log = fly(
                mission,
                self.url,
                self.out,
                confirm=lambda: self.yes or _confirmed(self.flight),
                flight=self.number,
                survey=survey,
                taken=taken,
                ground=ground_beside(self.flight),
                drone=drone_beside(self.flight),
                allow_real=self.arm,
                system=self.system,
                signing_key=self.signing_key,
                ready_timeout_s=self.ready_timeout_s,
                progress=self.run.progress,
                on_checks=lambda checks: self.run.progress.note("preflight\n" + checks_table(checks)),
                on_event=display.show,
            )
        if not log.flown:
            self.run.say("not armed; the mission stays on the vehicle")
            return {"flown": False}
        return self._told(log)

    def rejoin(self, survey: Mission) -> Rejoined:
        """Log the rest of a flight that is still under way, and what the vehicle did unheard."""
        with FlightDisplay(survey) as display:
            found = rejoin(
                survey,
                self.url,
                self.out,
                flight=self.number,
                system=self.system,
                signing_key=self.signing_key,
                progress=self.run.progress,
                on_event=display.show,
            )
        if found.unheard:
            self.run.say(f"{found.unheard} photos taken while nobody listened are in the log, where the plan has them")
        if found.log is not None:
            self._told(found.log)
        return found

    def _told(self, log: FlightLog) -> dict[str, Any]:
        """Say how a flight went, and what to do next; a mission that did not end by itself is no success."""
        run, minutes = self.run, log.duration_s / 60
        if log.ended_early:
            run.say(f"the flight ended early, after {minutes:.1f} min: {log.ended_early}")
            run.exit_code = VEHICLE_OR_LINK
        else:
            run.say(f"flown and landed in {minutes:.1f} min")
        run.say(f"{log.photos} photos of {log.photos_planned} planned")
        if log.photos_unreported:
            run.say(
                f"{log.photos_unreported} of them were not reported by the vehicle: their places are the plan's (TRIGGER_MODEL)"
            )
        run.say(f"photo log: {log.photo_log}\ntelemetry: {log.telemetry}")
        if log.photos_missing:
            run.say(
                f"{log.photos_missing} photos of the survey were not taken. With a full battery:\n"
                f"  skyrelief resume {self.flight} --connect {self.url} -o {self.out}"
            )
        else:
            run.say("the survey is complete: no photo is missing")
        return asdict(log)


def abort_flight(run: Run, url: str, system: int | None, signing_key: Path | None, how: str) -> dict[str, Any]:
    """Tell a flying vehicle to pause, return or land."""
    from planner.link.flight import abort
    from planner.link.vehicle import connect

    with connect(url, system=system, signing_key=signing_key) as vehicle:
        abort(vehicle, how)
        mode = vehicle.state.mode.name
        run.say(f"the vehicle was told to {'return and land' if how == 'rtl' else how}; it is in {mode} mode")
        return {"aborted": how, "mode": mode}


def _confirmed(flight: Path) -> bool:
    question = f"{flight.name} is uploaded and verified. Propellers clear? Type ARM to arm and start: "
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().upper() == "ARM"
