"""An embedded simulated ArduPilot copter: flight model, modes, mission execution, arming checks, battery, wind, camera.

`Copter` is the whole vehicle; `sitl.endpoint` gives it a MAVLink side. What it does follows ArduCopter 4.6 as observed.
"""

from sitl.autopilot.copter import Copter
from sitl.autopilot.place import Place
from sitl.autopilot.state import Exposure, Mode

__all__ = ["Copter", "Exposure", "Mode", "Place"]
