"""Which photos were taken, from whatever tells of them: a photo log, a flight log, or the photos themselves."""

from pathlib import Path

from imagery.core.errors import NotEnoughDataError
from imagery.core.photo import list_photos, read_photo
from imagery.core.photolog import PhotoRecord
from planner.link.flight import flight_photos

__all__ = ["photos_taken"]


def photos_taken(source: Path, flight: int) -> list[PhotoRecord]:
    """The photos of a flight in photos.csv, or all of a .tlog, a .bin or a folder of photos, in the order of taking.

    Raises BadInputError for what cannot be read and NotEnoughDataError when no photo of a folder has a position.
    """
    if source.is_dir():
        return _from_photos(source)
    if source.suffix.lower() == ".csv":
        return flight_photos(source, flight)
    from imagery.geotag import read_exposures

    return read_exposures(source)


def _from_photos(folder: Path) -> list[PhotoRecord]:
    photos = [read_photo(path) for path in list_photos(folder)]
    placed = [
        PhotoRecord(photo.lat, photo.lon, time_utc=photo.time_utc, alt_rel_m=photo.alt_rel_m, file=photo.path.name)
        for photo in photos
        if photo.lat is not None and photo.lon is not None
    ]
    if not placed:
        raise NotEnoughDataError(
            f"{folder}: none of its {len(photos)} photos has a position: give the photo log instead"
        )
    return placed
