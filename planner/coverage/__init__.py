"""Coverage planning: lines over an area, safe ways between them, their order, and the proof of what the photos see."""
