"""What a vehicle does by itself when its ground station falls silent, by its own FS_GCS_ENABLE and FS_OPTIONS."""

from dataclasses import dataclass

from planner.link.vehicle import Vehicle

__all__ = ["LostLink"]

# ArduCopter 4.x, FS_GCS_ENABLE.
_ACTIONS = {
    1: "returns home and lands",
    2: "goes on with its mission",
    3: "returns home by the way it came",
    4: "returns by the way it came, or lands",
    5: "lands where it is",
    6: "flies its landing sequence, or returns home",
    7: "brakes, and then lands",
}
_AUTO_GOES_ON = 2  # bit of FS_OPTIONS


@dataclass(frozen=True, slots=True)
class LostLink:
    """The failsafe settings. Attributes: enable, options, timeout_s: parameters; None where the vehicle does not tell."""

    enable: int | None
    options: int
    timeout_s: float

    @classmethod
    def of(cls, vehicle: Vehicle) -> "LostLink":
        """Read the settings from a vehicle."""
        enable, options, timeout_s = (
            vehicle.parameter(name, tries=3) for name in ("FS_GCS_ENABLE", "FS_OPTIONS", "FS_GCS_TIMEOUT")
        )
        return cls(None if enable is None else int(enable), int(options or 0), timeout_s or 5.0)

    @property
    def mission_goes_on(self) -> bool:
        """Whether a mission is flown to its end without a ground station."""
        return self.enable in (0, 2) or (self.enable is not None and bool(self.options & _AUTO_GOES_ON))

    def __str__(self) -> str:
        if self.enable is None:
            return "its failsafe settings are not known: watch it"
        settings = f"FS_GCS_ENABLE {self.enable}, FS_OPTIONS {self.options}"
        if self.mission_goes_on:
            return f"the mission goes on without a ground station and ends by itself ({settings})"
        what = _ACTIONS.get(self.enable, "acts on its ground station failsafe")
        return f"the vehicle {what} {self.timeout_s:.0f} s after the last word of a ground station ({settings})"
