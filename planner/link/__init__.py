"""The link to a vehicle: connection, mission transfer, preflight checks, flying, and the photo log."""
