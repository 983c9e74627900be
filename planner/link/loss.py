"""How much of what a vehicle sends gets lost on the way, from the sequence numbers of what arrives."""

__all__ = ["LossMeter"]

_REMEMBERED = 400  # recent messages that the figure is about
_FARTHEST = 128  # numbers run to 255 and begin again: farther ahead than this is behind


class LossMeter:
    """The share of messages lost lately. Late and repeated messages are told from lost ones."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, int], int] = {}
        self._missing: dict[tuple[int, int], set[int]] = {}
        self._heard = self._lost = 0.0

    @property
    def share(self) -> float:
        """Lost of all that was sent, 0 to 1."""
        return self._lost / (self._heard + self._lost) if self._lost else 0.0

    def hear(self, sender: tuple[int, int], number: int) -> None:
        """A message of a sender (system, component) arrived with this sequence number."""
        ahead = (number - self._next.get(sender, number)) % 256
        missing = self._missing.setdefault(sender, set())
        if ahead < _FARTHEST:
            missing |= {(number - back) % 256 for back in range(1, ahead + 1)}
            missing -= {gone for gone in missing if (number - gone) % 256 >= _FARTHEST}
            self._next[sender] = (number + 1) % 256
            self._lost += ahead
        elif number in missing:  # it was only late
            missing.discard(number)
            self._lost -= 1
        else:
            return  # a repeated one
        self._heard += 1
        if self._heard + self._lost > _REMEMBERED:
            self._heard, self._lost = self._heard / 2, self._lost / 2
