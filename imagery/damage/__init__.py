"""Damaged structures: buildings, evidence, grades, calibration, labels."""

from imagery.damage.assess import DamageResult, grade_damage
from imagery.damage.grader import NOT_ANALYSED, NOT_FITTED
from imagery.damage.vector import GRADE_NAMES

__all__ = ["GRADE_NAMES", "NOT_ANALYSED", "NOT_FITTED", "DamageResult", "grade_damage"]
