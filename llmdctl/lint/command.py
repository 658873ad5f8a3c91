"""The words a container starts its program with, each with the place where it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llmdctl.lint.manifest import Place, rows
from llmdctl.lint.shell import ShellWord, commands

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")  # of Kubernetes; `$$(X)` stands for itself
_SHELLS = ("sh", "bash", "ash", "dash")
_NUMBER = re.compile(r"-\.?\d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One word. `opaque`: part of its text is not known here."""

    text: str
    place: Place  # inside the container
    line: int = 0  # lines below the start of the text at `place`, for a word inside a script
    opaque: bool = False
    many: bool = False  # stands for any number of words

    @property
    def is_option(self) -> bool:
        """`-x` or `--x`, not `-` and not a negative number."""
        return len(self.text) > 1 and self.text[0] == "-" and not _NUMBER.match(self.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """`--name value`, `--name=value` or `--name`; `words` are what follows up to the next option."""

    name: str  # as it is written, with dashes, without `=value`
    value: str | None  # None: none is written, or it is not known (`opaque`)
    opaque: bool
    joined: bool  # `--name=value`
    word: Word
    words: tuple[Word, ...] = ()

    @property
    def stated(self) -> str:
        """The value when it is known, else an empty string."""
        return self.value or ""

    @property
    def written(self) -> str:
        """The value as it is written, though a part of it may not be known; empty when there is none."""
        if self.joined:
            return self.word.text.partition("=")[2]
        return self.words[0].text if self.words else ""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """What a program is started with. `complete` is False when words may be added that are not seen here."""

    words: tuple[Word, ...]
    complete: bool = True

    def options(self) -> Sequence[Option]:
        """Every option in order, with the words after it."""
        return self._options

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        return tuple(self._split())

    def _split(self) -> Iterator[Option]:
        index = 0
        while index < len(self.words):
            word = self.words[index]
            index += 1
            if not word.is_option:
                continue
            start = index
            while index < len(self.words) and not self.words[index].is_option:
                index += 1
            yield _option(word, self.words[start:index])

    @cached_property
    def _last(self) -> Mapping[str, tuple[int, Option]]:
        """The last option of each name, with where it stands among all."""
        return {canonical(option.name): (index, option) for index, option in enumerate(self._options)}

    def find(self, *names: str) -> Option | None:
        """The last option with one of these names; dashes and underscores are the same, and so are - and --."""
        found = [self._last[name] for name in map(canonical, names) if name in self._last]
        return max(found, key=lambda entry: entry[0])[1] if found else None

    def value(self, *names: str) -> str | None:
        """The value of the last option with one of these names; None when it is not written or not known."""
        found = self.find(*names)
        return found.value if found else None

    def integer(self, *names: str) -> int | None:
        """Like `value`, as a whole number."""
        text = self.value(*names)
        return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def canonical(name: str) -> str:
    """`--max_model_len` and `-max-model-len` as `max-model-len`."""
    return name.lstrip("-").replace("_", "-")


def _option(word: Word, following: Sequence[Word]) -> Option:
    name, joined, value = word.text.partition("=")
    if joined:
        return Option(
            name=name, value=None if word.opaque else value, opaque=word.opaque, joined=True, word=word, words=()
        )
    first = following[0] if following else None
    known = first is not None and not first.opaque
    return Option(
        name=name,
        value=first.text if first is not None and known else None,
        opaque=first is not None and first.opaque,
        joined=False,
        word=word,
        words=tuple(following),
    )


def started(container: Mapping[str, Any], env: Mapping[str, str | None]) -> list[CommandLine]:
    """Every command that a container starts: one, or those of the script it hands to a shell.

    `env` holds the container's variables; None stands for a value that is not known here.
    """
    words = [
        _word(text, (key, index), env)
        for key in ("command", "args")
        for index, text in enumerate(rows(container, key))
        if isinstance(text, (str, int, float))
    ]
    at = _script(words)
    if at is None:
        return [_line(words)]
    script, given = words[at], words[at + 2 :]  # after the script come $0, and then "$@"
    known = {name: value for name, value in env.items() if value is not None}
    own = _assigned(script.text)
    known = {name: value for name, value in known.items() if name not in own}
    return [
        _line([part for word in command for part in (given if word.arguments else [_scripted(word, script)])])
        for command in commands(script.text, known)
    ]


def _scripted(word: ShellWord, script: Word) -> Word:
    return Word(text=word.text, place=script.place, line=word.line, opaque=word.opaque, many=word.many)


def _line(words: Sequence[Word]) -> CommandLine:
    return CommandLine(words=tuple(words), complete=not any(word.many for word in words))


def _assigned(script: str) -> set[str]:
    """Variables that the script sets itself: what the container says of them does not hold inside."""
    return set(re.findall(r"(?m)(?:^|[\s;(])(?:export\s+|local\s+)?([A-Za-z_][A-Za-z0-9_]*)\+?=", script)) | set(
        re.findall(r"\b(?:read|for)\s+(?:-\w+\s+)*([A-Za-z_][A-Za-z0-9_]*)", script)
    )


def _script(words: Sequence[Word]) -> int | None:
    """The place of the script of `sh -c SCRIPT`, also as `bash -ec` or `env bash -lc`."""
    for index, word in enumerate(words):
        if word.text.rpartition("/")[2] in _SHELLS:
            for number, flag in enumerate(words[index + 1 : -1], start=index + 1):
                if re.fullmatch(r"-[a-z]*c[a-z]*", flag.text):
                    return number + 1
                if not flag.text.startswith("-"):
                    break
            return None
        if not (index == 0 and word.text.rpartition("/")[2] in ("env", "tini", "dumb-init")) and word.text != "--":
            return None
    return None


def _word(text: object, place: Place, env: Mapping[str, str | None]) -> Word:
    opaque = False

    def replace(match: re.Match[str]) -> str:
        nonlocal opaque
        name = match.group(1)
        if name is None:
            return "$"
        value = env.get(name)  # a controller such as LWS may add variables that are not written here
        opaque = opaque or value is None
        return value or ""

    filled = _REFERENCE.sub(replace, str(text))
    return Word(text=filled, place=place, opaque=opaque or "${" in filled)  # `${X}`: for envsubst to fill in


def after(line: CommandLine, matches: Callable[[Sequence[str]], int]) -> CommandLine | None:
    """What follows the first words for which `matches` says how many they are; None when it never does."""
    texts = [word.text for word in line.words]
    for index in range(len(texts)):
        length = matches(texts[index:])
        if length:
            rest = line.words[index + length :]
            return CommandLine(words=rest, complete=not any(word.many for word in rest))
    return None
