"""The grades of damage and their colours, the same on every map.

Grades: Copernicus EMS, in order. Colours: apart from each other for colour-blind readers too, and the three grades of damage the
darker, the graver, so that a copy in grey still tells them.
"""

__all__ = ["GRADE_COLOURS"]

GRADE_COLOURS = {
    "No visible damage": "#4a90c2",
    "Possibly damaged": "#fee08b",
    "Damaged": "#f46d43",
    "Destroyed": "#8e0b26",
    "Not analysed": "#bdbdbd",
}
