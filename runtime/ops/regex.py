"""Regular expressions of RE2's syntax, matched against whole texts in time that grows with pattern and text alone.

Python's `re` tries one way after another, of which a pattern of a few characters can have more than any computer is
done with, and patterns come with models that nobody vouches for. Here all ways are followed at once (Thompson, "Regular
expression search algorithm", 1968). What RE2 has and this has not is refused: Unicode's classes and flags but i and s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

MOST_STATES: Final = 20_000
MOST_REPEATS: Final = 1000
"""As RE2 has it."""
MOST_DEPTH: Final = 50
"""Of groups in groups."""

Holds = Callable[[str], bool]
"""Whether a character is one of a class."""
Edge = Callable[[str, int], bool]
"""Whether an anchor holds before the character at a place of the text."""


class PatternError(ValueError):
    """The text says what is wrong with a pattern."""


class State(NamedTuple):
    """takes: the characters that lead on; None where that takes none, edge: where that may be, None for anywhere.
    to: the states that may follow."""

    takes: Holds | None
    edge: Edge | None
    to: list[int]


class Fragment(NamedTuple):
    """A part of a machine that begins and ends in one state each."""

    first: int
    last: int


MOST_STEPS: Final = 1 << 22
"""States that are followed for all texts of a node: some two seconds."""
AT_ONCE: Final = 256
"""Characters that a word is looked for in as long as it takes to follow a state."""
_SYNTAX: Final = frozenset("\\.+*?()|[]{}^$")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_DIGITS, _BLANKS = frozenset("0123456789"), frozenset("\t\n\f\r ")
_WORD: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_CLASSES: Final = {"d": _DIGITS, "w": _WORD, "s": _BLANKS}
_PRINTED: Final = frozenset(map(chr, range(32, 127)))
_NAMED: Final = {
    "alnum": _WORD - {"_"}, "alpha": _WORD - {"_"} - _DIGITS, "ascii": frozenset(map(chr, range(128))),
    "blank": frozenset("\t "), "cntrl": frozenset(map(chr, (*range(32), 127))), "digit": _DIGITS,
    "graph": _PRINTED - {" "}, "lower": frozenset(filter(str.islower, _WORD)), "print": _PRINTED,
    "punct": _PRINTED - {" "} - (_WORD - {"_"}), "space": _BLANKS | {"\v"},
    "upper": frozenset(filter(str.isupper, _WORD)), "word": _WORD, "xdigit": frozenset("0123456789ABCDEFabcdef"),
}  # fmt: skip


def _is_word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place] in _WORD


_EDGES: Final[dict[str, Edge]] = {
    "A": lambda text, place: place == 0,
    "z": lambda text, place: place == len(text),
    "b": lambda text, place: _is_word(text, place - 1) != _is_word(text, place),
    "B": lambda text, place: _is_word(text, place - 1) == _is_word(text, place),
}


class _Parser:
    """Builds the states of a pattern, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.states: list[State] = []
        self.fold = self.dot_all = False
        self.depth = 0
        self.quoted = set[int]()

    def parse(self) -> Fragment:
        found = self.choice()
        if self.at < len(self.pattern):
            raise self.error("a ) that closes nothing")
        return found

    def error(self, problem: str) -> PatternError:
        return PatternError(f"pattern {self.pattern!r:.60}: {problem} at {self.at}")

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise self.error("it ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def state(self, takes: Holds | None = None, edge: Edge | None = None) -> int:
        if len(self.states) >= MOST_STATES:
            raise self.error(f"it takes more than {MOST_STATES} states")
        self.states.append(State(takes, edge, []))
        return len(self.states) - 1

    def single(self, takes: Holds | None = None, edge: Edge | None = None) -> Fragment:
        first, last = self.state(takes, edge), self.state()
        self.states[first].to.append(last)
        return Fragment(first, last)

    def choice(self) -> Fragment:
        kept = self.fold, self.dot_all
        branches = [self.row()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.row())
        self.fold, self.dot_all = kept
        if len(branches) == 1:
            return branches[0]
        first, last = self.state(), self.state()
        for branch in branches:
            self.states[first].to.append(branch.first)
            self.states[branch.last].to.append(last)
        return Fragment(first, last)

    def row(self) -> Fragment:
        first = last = self.state()
        while self.at in self.quoted or self.peek() not in ("", "|", ")"):
            part = self.repeated()
            self.states[last].to.append(part.first)
            last = part.last
        return Fragment(first, last)

    def repeated(self) -> Fragment:
        start, found = self.at, self.atom()
        if self.pattern.startswith("\\E", self.at) and self.at - 1 in self.quoted:
            self.at += 2
        flags, times = (self.fold, self.dot_all), 0
        while True:
            bounds = self.bounds()
            if bounds is None:
                return found
            times += 1
            if times > 1:
                raise self.error("a repetition of a repetition")
            stop = self.at
            found = self.copies(found, start, *bounds)
            self.at, (self.fold, self.dot_all) = stop, flags
            if self.peek() == "?":  # which way is tried first makes no difference to a whole text
                self.at += 1

    def bounds(self) -> tuple[int, int | None] | None:
        """How often what came before may be there; None where nothing is said."""
        if self.at in self.quoted:
            return None
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self.peek() in simple:
            return simple[self.take()]
        if self.peek() != "{":
            return None
        low, comma, high = self.pattern[self.at + 1 :].partition("}")[0].partition(",")
        if not (low.isdecimal() and low.isascii()) or (high and not (high.isdecimal() and high.isascii())):
            return None
        self.at = self.pattern.index("}", self.at) + 1
        least = int(low) if len(low) < 5 else MOST_REPEATS + 1
        most = (int(high) if len(high) < 5 else MOST_REPEATS + 1) if high else None if comma else least
        if max(least, most or 0) > MOST_REPEATS or (most is not None and most < least):
            raise self.error(f"repetitions that are not in order, or more than {MOST_REPEATS}")
        return least, most

    def copies(self, one: Fragment, start: int, least: int, most: int | None) -> Fragment:
        """So many of a part in a row, each further one built from the pattern anew."""
        first = last = self.state()
        wanted = max(least, 1) if most is None else most
        end = self.state()
        for number in range(wanted):
            if number:
                self.at = start
                one = self.atom()
            if number >= least:
                self.states[last].to.append(end)
            self.states[last].to.append(one.first)
            last = one.last
        if most is None:
            self.states[one.last].to.append(one.first)
        self.states[last].to.append(end)
        if not least:
            self.states[first].to.append(end)
        return Fragment(first, end)

    def atom(self) -> Fragment:
        character = self.take()
        if self.at - 1 in self.quoted:
            return self.literal(character)
        if character == "(":
            return self.group()
        if character == "[":
            return self.single(self.folded(self.char_class()))
        if character == ".":
            return self.single((lambda c: True) if self.dot_all else (lambda c: c != "\n"))
        if character in "^$":
            return self.single(edge=_EDGES["A" if character == "^" else "z"])
        if character == "\\":
            return self.escape()
        if character in "*+?":
            raise self.error("a repetition of nothing")
        return self.literal(character)

    def literal(self, character: str) -> Fragment:
        if self.fold:
            return self.single(self.folded(lambda c: c == character))
        return self.single(lambda c: c == character)

    def folded(self, holds: Holds) -> Holds:
        if not self.fold:
            return holds
        return lambda c: holds(c) or holds(c.lower()) or holds(c.upper())

    def group(self) -> Fragment:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.error(f"groups are nested more than {MOST_DEPTH} deep")
        if self.peek() == "?":
            self.at += 1
            if self.peek() in ("P", "<"):
                self.name()
            elif self.flags():
                self.depth -= 1
                return self.single()
        kept = self.fold, self.dot_all
        found = self.choice()
        self.fold, self.dot_all = kept
        if self.peek() != ")":
            raise self.error("a ( that nothing closes")
        self.at += 1
        self.depth -= 1
        return found

    def name(self) -> None:
        end = self.pattern.find(">", self.at)
        name = self.pattern[self.at : end].removeprefix("P").removeprefix("<")
        if end < 0 or not name or not set(name) <= _WORD:
            raise self.error("a group of a kind that is not supported")
        self.at = end + 1

    def flags(self) -> bool:
        """Whether they are a group of their own, which holds for what follows."""
        on = True
        while True:
            flag = self.take()
            if flag == "-":
                on = False
            elif flag == "i":
                self.fold = on
            elif flag == "s":
                self.dot_all = on
            elif flag in ":)":
                return flag == ")"
            else:
                raise self.error("a group of a kind that is not supported")

    def escape(self) -> Fragment:
        character = self.take()
        if character in _EDGES:
            return self.single(edge=_EDGES[character])
        if character == "Q":
            end = self.pattern.find("\\E", self.at)
            self.quoted.update(range(self.at, len(self.pattern) if end < 0 else end))
            self.at += 2 if end == self.at else 0
            return self.single()
        members = self.shorthand(character)
        if members is not None:
            return self.single(members)
        return self.literal(self.escaped(character))

    def shorthand(self, character: str) -> Holds | None:
        members = _CLASSES.get(character.lower())
        if members is None:
            return None
        return (lambda c: c in members) if character.islower() else (lambda c: c not in members)

    def escaped(self, character: str) -> str:
        """The one character that a backslash and this one stand for."""
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character == "x":
            digits = self.take()
            if digits == "{":
                end = self.pattern.find("}", self.at)
                digits, self.at = self.pattern[self.at : max(end, 0)], end + 1
            else:
                digits += self.take()
            if not digits or len(digits) > 6 or not set(digits) <= _NAMED["xdigit"] or int(digits, 16) > 0x10FFFF:
                raise self.error("no hexadecimal number of a character")
            return chr(int(digits, 16))
        if character in _WORD or ord(character) > 127:
            raise self.error(f"an escape \\{character} that is not supported")
        return character

    def char_class(self) -> Holds:
        negated = self.peek() == "^"
        self.at += negated
        ranges, tests = list[tuple[str, str]](), list[Holds]()
        first = True
        while first or self.peek() != "]":
            first = False
            if self.pattern.startswith("[:", self.at):
                tests.append(self.named_class())
                continue
            low = self.member(tests)
            if low is None:
                continue
            high: str | None = low
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member([])
            if high is None or high < low:
                raise self.error("a range that is not in order")
            ranges.append((low, high))
        self.at += 1

        def holds(c: str) -> bool:
            return any(low <= c <= high for low, high in ranges) or any(test(c) for test in tests)

        return (lambda c: not holds(c)) if negated else holds

    def member(self, tests: list[Holds]) -> str | None:
        """One character of a class; None where it was a class itself, which is now among the tests."""
        character = self.take()
        if character != "\\":
            return character
        character = self.take()
        members = self.shorthand(character)
        if members is None:
            return self.escaped(character)
        tests.append(members)
        return None

    def named_class(self) -> Holds:
        end = self.pattern.find(":]", self.at)
        name = self.pattern[self.at + 2 : max(end, 0)]
        members = _NAMED.get(name.removeprefix("^"))
        if members is None:
            raise self.error("no class of that name")
        self.at = end + 2
        return (lambda c: c not in members) if name.startswith("^") else (lambda c: c in members)


class Patience:
    """How many states may still be followed."""

    def __init__(self, steps: int) -> None:
        self._steps = self._left = steps
        _latest.patience = self

    @property
    def taken(self) -> int:
        return self._steps - self._left

    def take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ValueError("looking for a pattern in these texts takes too long")


_latest = threading.local()
"""patience: the last that this thread has begun to take."""


def steps_taken() -> int:
    """States followed by what this thread has looked for last; 0 when it is asked again."""
    patience: Patience | None = getattr(_latest, "patience", None)
    _latest.patience = None
    return 0 if patience is None else patience.taken


class Pattern:
    """A compiled pattern. PatternError where it is not one, or of more states than MOST_STATES."""

    def __init__(self, pattern: str) -> None:
        parser = _Parser(pattern)
        found = parser.parse()
        self._states, self._first, self._last = parser.states, found.first, found.last

    def matches(self, text: str, patience: Patience) -> bool:
        """Whether the whole text is one of those that the pattern describes. ValueError where patience ends."""
        current = self._reached([self._first], text, 0)
        for place in range(len(text)):
            if not current:
                return False
            patience.take(len(current))
            current = self._onward(current, text, place)
        return self._last in current

    def search(self, text: str, start: int, patience: Patience) -> tuple[int, int] | None:
        """Where the first match from a place on begins and ends, the longest of those that begin there; None where
        there is none. A search begins anew at every character: ValueError where patience ends."""
        for begin in range(start, len(text) + 1):
            end, place = -1, begin
            current = self._reached([self._first], text, begin)
            while current:
                patience.take(len(current))
                if self._last in current:
                    end = place
                current = self._onward(current, text, place) if place < len(text) else set()
                place += 1
            if end >= 0:
                return begin, end
        return None

    def _onward(self, current: set[int], text: str, place: int) -> set[int]:
        """The states behind the character at this place."""
        onward = [
            to
            for number in current
            if (takes := self._states[number].takes) is not None and takes(text[place])
            for to in self._states[number].to
        ]
        return self._reached(onward, text, place + 1)

    def _reached(self, numbers: Iterable[int], text: str, place: int) -> set[int]:
        """These states and all that follow from them without a character."""
        pending, found = list(numbers), set[int]()
        while pending:
            number = pending.pop()
            state = self._states[number]
            if number in found or (state.edge is not None and not state.edge(text, place)):
                continue
            found.add(number)
            if state.takes is None:
                pending += state.to
        return found


class Word:
    """A pattern that stands for itself, as most separators do."""

    def __init__(self, word: str) -> None:
        self._word = word

    def matches(self, text: str, patience: Patience) -> bool:
        return text == self._word

    def search(self, text: str, start: int, patience: Patience) -> tuple[int, int] | None:
        """As of a Pattern."""
        begin = text.find(self._word, start)
        patience.take(1 + ((len(text) if begin < 0 else begin) - start) // AT_ONCE)
        return None if begin < 0 else (begin, begin + len(self._word))


def is_word(pattern: str) -> bool:
    return _SYNTAX.isdisjoint(pattern)


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Pattern | Word:
    return Word(pattern) if is_word(pattern) else Pattern(pattern)
