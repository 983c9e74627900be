"""The MAVLink side of the simulated autopilot, one protocol per module: missions, commands, parameters, telemetry."""
