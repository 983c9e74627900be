"""The values that the simulated autopilot and its MAVLink side share."""

import enum
from dataclasses import dataclass
from datetime import datetime

from sitl.autopilot.place import Place

__all__ = ["Attitude", "CommandResult", "Event", "Exposure", "ItemReached", "Mode", "Text"]


class Mode(enum.IntEnum):
    """ArduCopter's flight modes by their custom_mode numbers."""

    STABILIZE = 0
    ALT_HOLD = 2
    AUTO = 3
    GUIDED = 4
    LOITER = 5
    RTL = 6
    LAND = 9
    BRAKE = 17


class CommandResult(enum.IntEnum):
    """MAV_RESULT of a command."""

    ACCEPTED = 0
    TEMPORARILY_REJECTED = 1
    DENIED = 2
    UNSUPPORTED = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Attitude:
    """Roll, pitch and yaw in degrees (right wing down, nose up, clockwise from north positive)."""

    roll_deg: float
    pitch_deg: float
    yaw_deg: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """A photo taken, with its true pose.

    Attributes: index: counts from 1 since boot; time_s: since boot; place: where the camera truly was; reported: where the
    autopilot believed it was; alt_rel_m: above home as reported; attitude: the airframe's; gimbal_pitch_deg: the camera's, -90 is
    straight down.
    """

    index: int
    time_s: float
    time_utc: datetime
    place: Place
    reported: Place
    alt_rel_m: float
    attitude: Attitude
    gimbal_pitch_deg: float


@dataclass(frozen=True, slots=True)
class Text:
    """A STATUSTEXT: MAV_SEVERITY and up to 50 characters."""

    severity: int
    text: str


@dataclass(frozen=True, slots=True)
class ItemReached:
    """A navigation item of the mission was completed."""

    seq: int


Event = Exposure | Text | ItemReached
