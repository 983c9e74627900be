"""The simulated copter: its state, its modes and failsafes, advanced in fixed steps of simulated time."""

from collections import deque
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from sitl.autopilot import fence
from sitl.autopilot.airframe import Airframe, Target
from sitl.autopilot.arming import arming_refusal, prearm_refusals
from sitl.autopilot.auto import Auto, missing_item
from sitl.autopilot.battery import Battery
from sitl.autopilot.failsafes import NEED_POSITION, Failsafes
from sitl.autopilot.manoeuvres import Climb, Descend, Hover, Legs, Manoeuvre, limits
from sitl.autopilot.navigation import Navigation
from sitl.autopilot.parameters import Parameters
from sitl.autopilot.place import Place, Vector
from sitl.autopilot.returning import Return, way_home
from sitl.autopilot.rewind import Rewind
from sitl.autopilot.shutter import Shutter, take_photos
from sitl.autopilot.state import CommandResult, Event, Exposure, Mode, Text
from sitl.autopilot.storage import Item
from sitl.autopilot.wind import Wind

__all__ = ["STEP_S", "Copter"]

STEP_S = 0.02
"""The fixed time step: 50 Hz, at which ArduPilot also looks after the camera."""

_START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
_CRITICAL, _WARNING, _INFO = 2, 4, 6
_LAND_DETECTOR_S = 1.0  # on the ground for so long counts as landed


class Copter:
    """A multicopter with an ArduPilot-like autopilot.

    `step` advances it by STEP_S; `events` collects what it would announce. `ground(place)` gives the ground's height above mean
    sea level; without it the ground is level at the home. `clock_start` is the UTC time of boot.
    """

    def __init__(
        self,
        home: Place,
        *,
        heading_deg: float = 0.0,
        parameters: Mapping[str, float] | None = None,
        ground: Callable[[Place], float] | None = None,
        clock_start: datetime = _START,
        seed: int = 0,
    ) -> None:
        self.parameters = Parameters(parameters)
        self.seed = seed
        self.origin = home
        self.home = home
        self.home_is_set = False
        self.clock_start = clock_start
        self._ground_at = ground
        self._ground_known: tuple[tuple[int, int] | None, float] = (None, 0.0)
        self.mission: list[Item] = []
        self.fence: list[Item] = []
        self.rally: list[Item] = []
        self._fence_shapes: tuple[tuple[Item, ...], tuple[fence.Shape, ...]] = ((), ())
        self.exposures: list[Exposure] = []
        self.missed_exposures: Container[int] = ()
        self.refused_arming: str | None = None
        self.watchers: list[Callable[[], None]] = []
        self.frame = Airframe(yaw_deg=heading_deg)
        self.boot()

    def boot(self) -> None:
        """Start (again): storage and the camera's count survive, the rest begins anew where the vehicle is."""
        self.time_s = 0.0
        self.events: deque[Event] = deque()
        self.mode = Mode.STABILIZE
        self.armed = False
        self.took_off_s: float | None = None
        if self.frame.position[2] > self.ground_height(self.frame.position):
            self._touch_ground()  # without its autopilot it falls
        self.landed = True
        self.battery = Battery(self.parameters, self.parameters["SIM_BATT_VOLTAGE"])
        self.shutter = Shutter(self.parameters)
        self.camera_type = int(self.parameters["CAM1_TYPE"])
        self.gimbal_pitch_deg = -90.0
        self.throttle_pwm = 1000
        self.failsafes = Failsafes(self)
        self._auto: Auto | None = None
        self._resume_at = 1
        self._rewind = Rewind()
        self._flying: Manoeuvre = Hover(self.frame)
        self._idle_s = 0.0
        self.wind = Wind(self.parameters, self.seed)
        self.navigation = Navigation(self)

    # --- what others look at

    @property
    def place(self) -> Place:
        """Where the vehicle truly is."""
        return self.origin.moved(self.frame.position)

    @property
    def reported_place(self) -> Place:
        """Where the autopilot believes it is."""
        return self.navigation.place

    @property
    def time_utc(self) -> datetime:
        """The vehicle's clock."""
        return self.clock_start + timedelta(seconds=self.time_s)

    @property
    def position_ok(self) -> bool:
        """Whether the autopilot knows where it is."""
        return self.navigation.started and not self.failsafes.position_lost

    @property
    def ready(self) -> bool:
        """Whether every pre-arm check passes."""
        return not prearm_refusals(self)

    @property
    def mission_seq(self) -> int:
        """The item being flown, as MISSION_CURRENT says."""
        if self._auto is not None:
            return self._auto.seq
        return 0 if self._resume_at == 1 else self._resume_at

    @property
    def mission_state(self) -> int:
        """MISSION_STATE: 1 none, 2 not started, 3 active, 4 paused, 5 complete."""
        if len(self.mission) <= 1:
            return 1
        if self._auto is None:
            return 2 if self._resume_at == 1 else 4
        if self._auto.finished:
            return 5
        return 4 if self._auto.paused is not None else 3

    def local(self, place: Place) -> Vector:
        """East, north, up in metres from the frame's origin."""
        return self.origin.offset_to(place)

    def ground_height(self, position: Vector) -> float:
        """The ground's height below a local position, metres above the frame's origin."""
        if self._ground_at is None:
            return 0.0
        cell = round(float(position[0])), round(float(position[1]))
        if cell != self._ground_known[0]:  # asked at every step, and a terrain takes its time to answer
            height = self._ground_at(self.origin.moved(position)) - self.origin.alt_amsl_m
            self._ground_known = (cell, height)
        return self._ground_known[1]

    def fence_breaches(self) -> int:
        """The fences breached where the vehicle is (bits of FENCE_TYPE)."""
        items = tuple(self.fence)
        if self._fence_shapes[0] != items:
            self._fence_shapes = (items, fence.shapes(items))
        return fence.breaches(self.parameters, self._fence_shapes[1], self.reported_place, self.home)

    def breached_names(self) -> str:
        """The breached fences' names, as in the autopilot's texts."""
        bits = self.fence_breaches()
        return ", ".join(name for bit, name in fence.NAMES.items() if bits & bit)

    def say(self, severity: int, text: str) -> None:
        """Announce a STATUSTEXT."""
        self.events.append(Text(severity, text))

    # --- commands

    def set_mode(self, mode: Mode) -> bool:
        """Change the flight mode; False when it is refused."""
        if mode is self.mode:
            return True
        if mode in NEED_POSITION and not self.position_ok:
            self.say(_WARNING, f"Mode change to {mode.name} failed: requires position")
            return False
        if mode is Mode.AUTO:
            if len(self.mission) <= 1:
                self.say(_WARNING, "Mode change to AUTO failed: init failed")
                return False
            if self.armed and self.landed and missing_item(self.mission):
                self.say(_CRITICAL, "Auto: Missing Takeoff Cmd")
                return False
        if self._auto is not None:
            self._resume_at = 1 if self._auto.finished else max(self._auto.seq, 1)
            self._rewind.leave(self.frame.position)
            self._auto = None
        self.mode = mode
        self._enter()
        return True

    def arm(self, force: bool = False) -> CommandResult:
        """Arm the motors."""
        if self.armed:
            return CommandResult.ACCEPTED
        refusal = arming_refusal(self)
        if refusal is not None and not force:
            self.say(_CRITICAL, refusal)
            return CommandResult.FAILED
        self.armed = True
        self._idle_s = 0.0
        self.say(_INFO, "Arming motors")
        if not self.home_is_set or self.landed:
            self.set_home(self.reported_place)
        if self.parameters["MIS_RESTART"]:
            self._begin_at(1)
        return CommandResult.ACCEPTED

    def disarm(self, force: bool = False) -> CommandResult:
        """Disarm the motors; refused in flight unless forced."""
        if self.armed and not self.landed and not force:
            return CommandResult.FAILED
        if self.armed:
            self.armed = False
            self.say(_INFO, "Disarming motors")
        return CommandResult.ACCEPTED

    def start_mission(self) -> CommandResult:
        """MISSION_START: AUTO, and the throttle stick does not matter."""
        if self.armed and self.landed and missing_item(self.mission):
            self.say(_CRITICAL, "Auto: Missing Takeoff Cmd")
            return CommandResult.FAILED
        if self.mode is Mode.AUTO and self._auto is None and self.armed:
            self._enter()
            return CommandResult.ACCEPTED
        return CommandResult.ACCEPTED if self.set_mode(Mode.AUTO) else CommandResult.FAILED

    def take_off(self, height_m: float) -> CommandResult:
        """NAV_TAKEOFF in GUIDED: climb to a height above home."""
        if self.mode is not Mode.GUIDED or not self.armed or height_m <= 0:
            return CommandResult.FAILED
        up = self.local(self.home)[2] + height_m
        self._flying = Climb(self.frame, float(up), limits(self.parameters))
        self._leave_ground()
        return CommandResult.ACCEPTED

    def go_to(self, place: Place) -> CommandResult:
        """Fly to a place in GUIDED."""
        if self.mode is not Mode.GUIDED or not self.armed or self.landed:
            return CommandResult.FAILED
        self._flying = Legs(self.frame, self.local(place), limits(self.parameters))
        return CommandResult.ACCEPTED

    def change_speed(self, kind: int, speed_m_s: float) -> CommandResult:
        """Another speed: SPEED_TYPE 0 or 1 over the ground, 2 climbing, 3 descending."""
        if speed_m_s <= 0:
            return CommandResult.FAILED
        if self._auto is not None:
            self._auto.change_speed(kind, speed_m_s)
        elif isinstance(self._flying, Legs):
            self._flying.change_speed(limits(self.parameters, speed_m_s))
        return CommandResult.ACCEPTED

    def pause_mission(self, pause: bool) -> CommandResult:
        """DO_PAUSE_CONTINUE."""
        if self._auto is None:
            return CommandResult.DENIED
        if pause:
            self._auto.pause(self.frame)
        else:
            self._auto.go_on(self.frame)
        return CommandResult.ACCEPTED

    def set_current_item(self, seq: int) -> bool:
        """MISSION_SET_CURRENT."""
        if not 0 <= seq < len(self.mission):
            return False
        if self._auto is not None:
            self._auto.jump_to(max(seq, 1))
        else:
            self._begin_at(max(seq, 1))
        return True

    def set_home(self, place: Place) -> None:
        """Set the home; item 0 of the mission follows it."""
        self.home = place
        self.home_is_set = True
        if self.mission:
            self.mission[0] = self.home_item()

    def home_item(self) -> Item:
        """Item 0 of the mission: the actual home."""
        home = self.home
        return Item(
            16, 0, x=round(home.lat_deg * 1e7), y=round(home.lon_deg * 1e7), z=round(home.alt_amsl_m * 100) / 100
        )

    def mission_changed(self) -> None:
        """Called after another mission was stored."""
        self._begin_at(1)
        if self._auto is not None and self._auto.seq >= len(self.mission):
            self.say(_CRITICAL, "Auto mission changed but failed to restart command")

    # --- one time step

    def step(self) -> None:
        """Advance by STEP_S."""
        self.time_s += STEP_S
        self.navigation.step(STEP_S)
        self.failsafes.watch_position(STEP_S)
        if not self.home_is_set and self.position_ok:
            self.say(_INFO, "EKF3 IMU0 is using GPS")
            self.set_home(self.reported_place)
        self.wind.step(STEP_S)
        if self.armed:
            self._fly()
        level = self.battery.draw(self.frame.current_a if self.armed and not self.landed else 0.0, STEP_S)
        if level is not None:
            self.failsafes.battery_got_worse(level)
        if self.armed:
            self.failsafes.watch_fence()
            self.failsafes.watch_ground_station()
        take_photos(self)
        for watch in self.watchers:
            watch()

    def _fly(self) -> None:
        if self.landed and self._stays_down():
            return
        target = self._target()
        self.frame.follow(target, self.wind.now(), STEP_S, self.parameters["ANGLE_MAX"] / 100)
        if self.frame.position[2] <= self.ground_height(self.frame.position) and self.frame.velocity[2] <= 0.05:
            self._touch_down()

    def _stays_down(self) -> bool:
        """Armed on the ground: either the mode takes off now, or the motors idle until DISARM_DELAY."""
        taking_off = isinstance(self._flying, Climb) or (self._auto is not None and not self._auto.finished)
        if taking_off:
            self._leave_ground()
            return False
        self._idle_s += STEP_S
        delay = self.parameters["DISARM_DELAY"]
        if self.mode in (Mode.LAND, Mode.RTL, Mode.AUTO):
            delay = _LAND_DETECTOR_S
        if 0 < delay <= self._idle_s:
            self.disarm(force=True)
        return True

    def _leave_ground(self) -> None:
        self.landed = False
        self._idle_s = 0.0
        if self.took_off_s is None:
            self.took_off_s = self.time_s

    def _touch_down(self) -> None:
        self._touch_ground()
        self.landed = True
        self._idle_s = 0.0

    def _touch_ground(self) -> None:
        position = self.frame.position.copy()
        position[2] = self.ground_height(position)
        self.frame.rest(position)

    def _target(self) -> Target:
        if self._auto is not None:
            return self._auto.step(self.frame, STEP_S)
        if self.mode in (Mode.STABILIZE, Mode.ALT_HOLD, Mode.LOITER):
            return self._by_stick()
        return self._flying.step(self.frame, STEP_S)

    def _by_stick(self) -> Target:
        """No pilot's hand: the throttle channel alone says climb or sink, as with a radio left alone."""
        held = self._flying.step(self.frame, STEP_S)
        stick = (self.throttle_pwm - 1500) / 500
        rate = 2.5 * stick if stick > 0 else 1.5 * stick
        position = held.position.copy()
        position[2] = self.frame.position[2] + rate * STEP_S
        return Target(position, np.array([*held.velocity[:2], rate]), held.acceleration, held.yaw_deg)

    def _begin_at(self, seq: int) -> None:
        """The mission will begin with an item, wherever it was left."""
        self._resume_at = seq
        self._rewind.forget()

    def _enter(self) -> None:
        """Begin the present mode's manoeuvre."""
        self._flying = Hover(self.frame)
        if self.mode is Mode.AUTO:
            if self.armed:
                self._auto = Auto(self, self._resume_at, self._rewind)
        elif self.mode is Mode.RTL:
            self._flying = way_home(self)
        elif self.mode is Mode.LAND:
            self._flying = self.landing(None)

    # --- manoeuvres that the modes share

    def landing(self, item: Item | None) -> Manoeuvre:
        """Land here, or at an item's place."""
        if item is None:
            return Descend(self.frame, self.parameters, self.ground_height)
        there = self.local(item.place(self.home, self.place))
        there[2] = self.frame.position[2]
        return Return(self, [there], loiter_s=0.0)
