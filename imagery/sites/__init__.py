"""Tent sites: where tents may stand by the humanitarian standards, laid out and checked rule by rule."""

from imagery.sites.find import Rejected, Site, SitesResult, find_sites, place_sites
from imagery.sites.standards import Standards, load_standards, profiles

__all__ = [
    "Rejected",
    "Site",
    "SitesResult",
    "Standards",
    "find_sites",
    "load_standards",
    "place_sites",
    "profiles",
]
