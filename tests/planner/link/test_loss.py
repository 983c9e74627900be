"""The share of lost messages is right whatever comes late or twice."""

from hypothesis import given
from hypothesis import strategies as st

from planner.link.loss import LossMeter

fates = st.lists(st.sampled_from(["comes", "comes", "comes", "lost", "twice", "late"]), min_size=20, max_size=150)


@given(fates=fates, start=st.integers(0, 255))
def test_late_and_repeated_messages_are_not_lost_ones(fates: list[str], start: int) -> None:
    arriving: list[int] = []
    held: list[int] = []
    for number, fate in enumerate(["comes", *fates, "comes"]):
        arriving += [number] * {"comes": 1, "lost": 0, "twice": 2, "late": 0}[fate]
        arriving += held if fate == "comes" else []
        held = [] if fate == "comes" else held + [number] * (fate == "late")
    meter = LossMeter()
    for number in arriving:
        meter.hear((1, 1), (start + number) % 256)
    assert meter.share == fates.count("lost") / (len(fates) + 2)


def test_each_sender_counts_for_itself_and_the_past_is_forgotten() -> None:
    meter = LossMeter()
    for number in range(0, 400, 2):
        meter.hear((1, 1), number % 256)
        meter.hear((1, 154), number // 2 % 256)
    assert 0.3 < meter.share < 0.36
    for number in range(4000):
        meter.hear((1, 154), (number + 200) % 256)
    assert meter.share < 0.01
