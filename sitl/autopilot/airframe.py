"""How the airframe follows a moving target: limited tilt, drag in the wind, slewing yaw, the current that it draws."""

import math
from dataclasses import dataclass, field

import numpy as np

from sitl.autopilot.place import Vector, clamp
from sitl.autopilot.state import Attitude

__all__ = ["GRAVITY", "Airframe", "Target"]

GRAVITY = 9.80665
_POSITION_GAIN, _VELOCITY_GAIN = 1.0, 2.0
_TILT_LAG_S = 0.15
_DRAG_PER_M = 0.012  # horizontal drag acceleration over the square of the airspeed
_YAW_RATE_DEG_S = 60.0
_HOVER_CURRENT_A = 27.0


@dataclass(frozen=True, slots=True)
class Target:
    """What to follow: position (m), velocity (m/s) and acceleration (m/s2), each east, north, up; yaw, None to keep it."""

    position: Vector
    velocity: Vector
    acceleration: Vector
    yaw_deg: float | None = None


@dataclass(slots=True)
class Airframe:
    """The multicopter's motion in a local east-north-up frame."""

    position: Vector = field(default_factory=lambda: np.zeros(3))
    velocity: Vector = field(default_factory=lambda: np.zeros(3))
    acceleration: Vector = field(default_factory=lambda: np.zeros(3))
    yaw_deg: float = 0.0
    lean: Vector = field(default_factory=lambda: np.zeros(3))  # the thrust's sideways acceleration, east and north

    def follow(self, target: Target, wind: Vector, dt_s: float, tilt_limit_deg: float) -> None:
        """Fly towards the target for a time step in a wind (m/s, the way the air moves)."""
        error = target.position - self.position
        wanted = target.velocity + _POSITION_GAIN * error
        command = target.acceleration + _VELOCITY_GAIN * (wanted - self.velocity)
        air = self.velocity - wind
        drag = -_DRAG_PER_M * math.hypot(air[0], air[1]) * np.array([air[0], air[1], 0.0])
        lean = command - drag
        lean[2] = 0.0
        most = GRAVITY * math.tan(math.radians(tilt_limit_deg))
        sideways = math.hypot(lean[0], lean[1])
        if sideways > most:
            lean *= most / sideways
        self.lean += (lean - self.lean) * min(dt_s / _TILT_LAG_S, 1.0)
        self.acceleration = self.lean + drag
        self.acceleration[2] = clamp(float(command[2]), 0.5 * GRAVITY)
        self.position = self.position + self.velocity * dt_s + self.acceleration * (dt_s**2 / 2)
        self.velocity = self.velocity + self.acceleration * dt_s
        if target.yaw_deg is not None:
            turn = (target.yaw_deg - self.yaw_deg + 180) % 360 - 180
            self.yaw_deg = (self.yaw_deg + clamp(turn, _YAW_RATE_DEG_S * dt_s)) % 360

    def rest(self, position: Vector) -> None:
        """Stand still on the ground."""
        self.position = position.copy()
        self.velocity = np.zeros(3)
        self.acceleration = np.zeros(3)
        self.lean = np.zeros(3)

    @property
    def attitude(self) -> Attitude:
        """Roll, pitch and yaw that give the present thrust direction."""
        yaw = math.radians(self.yaw_deg)
        forward = self.lean[0] * math.sin(yaw) + self.lean[1] * math.cos(yaw)
        right = self.lean[0] * math.cos(yaw) - self.lean[1] * math.sin(yaw)
        pitch = -math.atan2(forward, GRAVITY)
        roll = math.atan2(right * math.cos(pitch), GRAVITY)
        return Attitude(math.degrees(roll), math.degrees(pitch), self.yaw_deg)

    @property
    def current_a(self) -> float:
        """The current drawn in flight: the thrust needed, plus the power of climbing."""
        tilt = math.hypot(self.lean[0], self.lean[1]) / GRAVITY
        thrust = math.sqrt(1 + tilt**2) * max(1 + self.acceleration[2] / GRAVITY, 0.2)
        return float(_HOVER_CURRENT_A * thrust**1.5 * max(1 + 0.06 * self.velocity[2], 0.5))
