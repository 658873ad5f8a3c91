"""Finding room for every replica: best fit, largest first; then a search that is bounded, before anybody says no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from llmdctl.preflight.board import Board, Put, Sort

_STEPS: Final = 6_000  # pods that a search tries before it takes the best that it has
_STEPS_OF_ONE: Final = 300  # that placing one replica tries, beside one for each of its pods
_SEARCHED: Final = 64  # pods up to which it searches at all
_DOMAINS: Final = 12  # values of an affinity's label that are tried as the place of all


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One replica: its pods stand or fall together."""

    number: int
    workload: int
    replica: int
    pods: tuple[Sort, ...]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Where each unit went: unit number -> a node of each of its pods. Units that found no place are not in it."""

    places: Mapping[int, tuple[int, ...]]
    searched: bool  # the search came to its end: nothing better exists


def pack(board: Board, units: tuple[Unit, ...]) -> Packed:
    """The most replicas that fit, of the first workload before those of the second, and so on."""
    best = _Packing(board, units).greedy()
    if len(best) == len(units):
        return Packed(places=best, searched=True)
    ended = True
    for only in _anchors(board, units):
        search = _Packing(board, units, only)
        found = search.search(best)
        ended = ended and search.ended
        best = max(best, found, key=lambda places: _score(units, places))
        if len(best) == len(units):
            break
    return Packed(places=best, searched=ended)


def all_fit(board: Board, units: tuple[Unit, ...]) -> bool:
    """Whether a place was found for every one; what fits of them otherwise is not looked for."""
    if len(_Packing(board, units).greedy()) == len(units):
        return True
    searches = (_Packing(board, units, only, whole=True) for only in _anchors(board, units))
    return any(len(search.search({})) == len(units) for search in searches)


def scattered(board: Board, units: tuple[Unit, ...]) -> int:
    """How many replicas fit when small ones come first, each to the emptiest node: the default scheduler's worst."""
    return len(_Packing(board, tuple(reversed(units)), spread=True).greedy())


def _score(units: tuple[Unit, ...], places: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    placed = Counter(unit.workload for unit in units if unit.number in places)
    return tuple(placed[workload] for workload in dict.fromkeys(unit.workload for unit in units))


def _anchors(board: Board, units: tuple[Unit, ...]) -> Iterator[tuple[str, str] | None]:
    """Domains of an affinity that all follow, the roomiest first: tried as the only place one by one."""
    for sort in dict.fromkeys(sort for unit in units for sort in unit.pods):
        rule = board.topology.follows_itself(sort.number)
        if rule is None:
            continue
        room: Counter[str] = Counter()
        for node, item in enumerate(board.nodes):
            if rule.key in item.labels:
                room[item.labels[rule.key]] += board.room(sort, node)
        yield from ((rule.key, value) for value, _ in room.most_common(_DOMAINS))
        return
    yield None


class _Packing:
    """One attempt. The board is as it was when it ends."""

    def __init__(
        self,
        board: Board,
        units: tuple[Unit, ...],
        only: tuple[str, str] | None = None,
        *,
        spread: bool = False,
        whole: bool = False,
    ) -> None:
        self._board = board
        self._units = units
        self._only = only
        self._spread = spread
        self._whole = whole  # nothing but all of them is of use
        self._steps = _STEPS
        self._candidates: dict[int, tuple[int, ...]] = {}
        self._seen: set[tuple[object, ...]] = set()
        self.ended = True

    def greedy(self) -> dict[int, tuple[int, ...]]:
        """Each unit where it fits best, none ever moved."""
        puts: list[Put] = []
        places: dict[int, tuple[int, ...]] = {}
        hopeless: set[int] = set()
        for unit in self._units:
            if unit.workload in hopeless:
                continue
            self._steps = _STEPS_OF_ONE + len(unit.pods)
            way = next(self._ways(unit), None)
            if way is None:
                hopeless.add(unit.workload)
                continue
            puts += way
            places[unit.number] = tuple(put.node for put in way)
        for put in reversed(puts):
            self._board.take(put)
        return places

    def search(self, best: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
        """Every way, until all fit, nothing better is left, or the steps are spent."""
        if sum(len(unit.pods) for unit in self._units) > _SEARCHED:
            self.ended = False
            return self.greedy() if self._only else best
        self._best = best
        self._goal = _score(self._units, best)
        for unit in self._units:
            for sort in unit.pods:
                self._of(sort)  # while the board is empty: a node that is full on one way has room on another
        self._descend(0, {}, frozenset())
        self.ended = self._steps > 0
        return self._best

    def _descend(self, index: int, places: dict[int, tuple[int, ...]], skipped: frozenset[int]) -> bool:
        """Whether everything has been placed; true ends the search."""
        if index == len(self._units):
            score = _score(self._units, places)
            if score > self._goal:
                self._best, self._goal = dict(places), score
            return len(places) == len(self._units)
        if self._steps <= 0 or not self._promising(index, places, skipped) or self._again(index, places, skipped):
            return False
        unit = self._units[index]
        if unit.workload not in skipped:
            ways = self._ways(unit)
            for way in ways:
                places[unit.number] = tuple(put.node for put in way)
                done = self._descend(index + 1, places, skipped)
                del places[unit.number]
                if done:
                    _finish(ways, way, self._board)
                    return True
        return not self._whole and self._descend(index + 1, places, skipped | {unit.workload})

    def _again(self, index: int, places: Mapping[int, tuple[int, ...]], skipped: frozenset[int]) -> bool:
        """Whether the board has been like this before: replicas of one workload are the same to all that follow."""
        taken = Counter((unit.workload, places[unit.number]) for unit in self._units[:index] if unit.number in places)
        state = (index, skipped, frozenset(taken.items()))
        if state in self._seen:
            return True
        self._seen.add(state)
        return False

    def _promising(self, index: int, places: Mapping[int, object], skipped: frozenset[int]) -> bool:
        hoped: dict[int, tuple[int, ...]] = {
            unit.number: ()
            for i, unit in enumerate(self._units)
            if unit.number in places or (i >= index and unit.workload not in skipped)
        }
        return _score(self._units, hoped) > self._goal

    def _ways(self, unit: Unit) -> Iterator[list[Put]]:
        """Each way to place a unit; while it is looked at, its pods are on the board."""
        if self._hopeless(unit):
            return iter(())
        return self._fill(unit, 0, [], "")

    def _hopeless(self, unit: Unit) -> bool:
        """Whether the resources alone rule it out: cheaper than trying every order of its pods."""
        wanted = Counter(unit.pods)
        return any(
            number > 1 and sum(self._board.room(sort, node) for node in self._of(sort)) < number
            for sort, number in wanted.items()
        )

    def _fill(self, unit: Unit, index: int, puts: list[Put], domain: str) -> Iterator[list[Put]]:
        if index == len(unit.pods):
            yield puts
            return
        sort = unit.pods[index]
        for node in self._distinct(sort, unit, domain, whole=index == 0):
            self._steps -= 1
            if self._steps < 0:
                return
            put = self._board.put(sort, node, unit.number)
            inside = domain or (self._board.domain(sort, node) or "" if sort.domain else "")
            yield from self._fill(unit, index + 1, [*puts, put], inside)
            self._board.take(put)

    def _distinct(self, sort: Sort, unit: Unit, domain: str, *, whole: bool) -> Iterator[int]:
        """Nodes for a pod, the best first, one of those that are the same."""
        board = self._board
        able = [
            node
            for node in self._of(sort)
            if (not domain or board.domain(sort, node) == domain) and not board.refuses(sort, node, unit.number)
        ]
        able.sort(key=lambda node: board.order(sort, node), reverse=self._spread)
        if sort.domain and whole:
            able = self._roomy(able, unit)
        seen: set[tuple[object, ...]] = set()
        for node in able:
            signature = board.signature(sort, node)
            if signature not in seen:
                seen.add(signature)
                yield node

    def _roomy(self, able: list[int], unit: Unit) -> list[int]:
        """Nodes in domains with room for the whole group, the tightest domain first."""
        sort, room = unit.pods[-1], Counter[str]()
        for node in self._of(sort):
            room[self._board.domain(sort, node) or ""] += self._board.room(sort, node)
        inside = {node: room[self._board.domain(unit.pods[0], node) or ""] for node in able}
        return sorted((node for node in able if inside[node] + 1 >= len(unit.pods)), key=lambda node: inside[node])

    def _of(self, sort: Sort) -> tuple[int, ...]:
        """The nodes worth a look: as many as there are pods, where no rule ties pods to each other.

        Each pod takes at most one node out, so with as many candidates as pods one is always left.
        """
        if sort.number in self._candidates:
            return self._candidates[sort.number]
        board = self._board
        able = [node for node, why in enumerate(sort.refusals) if not why and board.room(sort, node)]
        if self._only is not None and board.topology.follows_itself(sort.number):
            key, value = self._only
            able = [node for node in able if board.nodes[node].labels.get(key) == value]
        able.sort(key=lambda node: board.order(sort, node), reverse=self._spread)
        if not sort.domain and not board.topology.concerns(sort.number) and not any(self._domains()):
            able = list(self._enough(sort, able))
        self._candidates[sort.number] = tuple(able)
        return self._candidates[sort.number]

    def _enough(self, sort: Sort, able: Iterable[int]) -> Iterator[int]:
        wanted = sum(len(unit.pods) for unit in self._units)
        for node in able:
            if wanted and not self._board.refuses(sort, node, -2):
                wanted -= 1
                yield node

    def _domains(self) -> Iterator[str]:
        return (sort.domain for unit in self._units for sort in unit.pods if sort.domain)


def _finish(ways: Iterator[list[Put]], way: list[Put], board: Board) -> None:
    """Leave a search in the middle: what its last way put is taken away."""
    for put in reversed(way):
        board.take(put)
    del ways
