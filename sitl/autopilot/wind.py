"""The wind: a mean that parameters set, with gusts."""

import math

import numpy as np

from sitl.autopilot.parameters import Parameters
from sitl.autopilot.place import Vector

__all__ = ["Wind"]


class Wind:
    """SIM_WIND_SPD from SIM_WIND_DIR, and gusts of SIM_WIND_TURB (m/s)."""

    def __init__(self, parameters: Parameters, seed: int) -> None:
        self._parameters = parameters
        self._noise = np.random.default_rng(seed)
        self._gust = np.zeros(3)

    def now(self) -> Vector:
        """East, north, up in m/s that the air moves."""
        p = self._parameters
        towards = math.radians(p["SIM_WIND_DIR"] + 180)
        mean = p["SIM_WIND_SPD"] * np.array([math.sin(towards), math.cos(towards), 0.0])
        return mean + self._gust

    def step(self, dt_s: float) -> None:
        """Let the gusts change."""
        turbulence = self._parameters["SIM_WIND_TURB"]
        if turbulence > 0:  # a slow random walk pulled back to calm, as the simulator's first-order turbulence
            self._gust += -self._gust * dt_s + self._noise.normal(0, turbulence * math.sqrt(2 * dt_s), 3)
            self._gust[2] = 0.0
        elif self._gust.any():
            self._gust = np.zeros(3)
