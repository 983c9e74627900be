"""What a reader must know before relying on the report, in sentences."""

from collections.abc import Iterator

from imagery.core.language import Words
from imagery.report.facts import completeness_percent
from imagery.report.source import Source

__all__ = ["uncertainties"]


def uncertainties(source: Source, words: Words) -> list[str]:
    """Every caveat that the operation's products call for: damage, sites, people, survey."""
    groups = (_about_damage, _about_sites, _about_people, _about_survey)
    return [text for group in groups for text in group(source, words)]


def _about_damage(source: Source, words: Words) -> Iterator[str]:
    buildings = source.buildings
    if buildings is None or not len(buildings):
        return
    total = words.number(len(buildings))
    if "notation" in buildings and buildings["notation"].fillna("").str.contains("not fitted to this event").any():
        yield words(
            "The damage grades come from a model that was not fitted to this event: use them to sort, not to decide. "
            "Labelling 20 to 50 buildings and grading again makes them much better."
        )
    unknown = int((buildings["damage_gra"] == "Not analysed").sum())
    if unknown:
        yield words(
            "{unknown} of {total} buildings could not be analysed. They are not counted as undamaged.",
            unknown=words.number(unknown),
            total=total,
        )
    if "grade_set" in buildings:
        several = int(buildings["grade_set"].fillna("").str.contains(",").sum())
        yield words("Buildings with more than one likely grade (90 % sets): {count}.", count=words.number(several))
    checked = int(buildings["reviewed_by"].notna().sum()) if "reviewed_by" in buildings else 0
    yield words("Checked by a person: {count} of {total} buildings.", count=words.number(checked), total=total)
    yield words(
        "Seen from above, damage to walls and inside buildings does not show; light and moderate damage cannot be told apart."
    )


def _about_sites(source: Source, words: Words) -> Iterator[str]:
    if source.sites is None:
        return
    rules = source.rules or {}
    standards = rules.get("standards", {})
    unverified = sum(not entry.get("verified") for entry in standards.values())
    if unverified:
        yield words(
            "{count} of the {total} values of the siting standards have not been verified against their primary source.",
            count=words.number(unverified),
            total=words.number(len(standards)),
        )
    unknown = rules.get("totals", {}).get("rules_unknown")
    if unknown:
        yield words(
            "Checks of rules that the survey could not decide and that must be made on the ground: {count}.",
            count=words.number(unknown),
        )
    open_questions = [name for name, state in (rules.get("known") or {}).items() if state == "unknown"]
    if open_questions:
        yield words("Not known to the siting: {names}.", names=", ".join(words(name) for name in open_questions))
    yield words(
        "Ownership, contamination, protection and the wishes of the people do not show in a survey: ask before a site is used."
    )


def _about_people(source: Source, words: Words) -> Iterator[str]:
    if source.needs is not None:
        yield words(
            "People and items follow from probabilities of damage and an assumed occupancy; P10 and P90 say how far they "
            "may be off. Casualties are not estimated."
        )


def _about_survey(source: Source, words: Words) -> Iterator[str]:
    quality = source.quality
    if quality:
        if not any(quality.get("control_rmse_m") or []):
            yield words(
                "No ground control was used: positions are as good as the drone's satellite navigation, as a rule 1 to 5 m, "
                "and heights worse."
            )
        complete = completeness_percent(quality)
        if complete is not None and complete < 99.95:
            yield words(
                "{percent} of the surface was measured; the rest is filled in from around it.",
                percent=words.number(complete, 1, "%"),
            )
        dropped = len(quality.get("photos_dropped") or [])
        if dropped:
            yield words("Photos that could not be used: {count}.", count=words.number(dropped))
    planned = (source.plan or {}).get("photos", 0)
    if source.photos and len(source.photos) < planned:
        yield words(
            "{taken} of {planned} planned photos were taken: parts of the area may be missing.",
            taken=words.number(len(source.photos)),
            planned=words.number(planned),
        )
    if source.ortho:
        yield words("The image shows one moment; what has changed since is not in this report.")
