"""The printed brief of a plan: one A4 page for each flight, as HTML and PDF, in four languages."""

from planner.brief.write import BriefResult, write_brief

__all__ = ["BriefResult", "write_brief"]
