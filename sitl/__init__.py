"""Something to fly when no drone is there."""
