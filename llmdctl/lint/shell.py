"""Just enough of a shell to see which words a program in a script is started with.

Nothing is run. What only a shell could know (`$(...)`, a variable set elsewhere) makes a word `opaque`: it is there,
its text is not known. A word that is nothing but an unquoted or an array expansion may stand for many words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_OPERATORS = ";&|()<>\n"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)|\{[^}]*\}|[@*#?$!0-9-])")


@dataclass(slots=True)
class ShellWord:
    """One word of a command."""

    text: str = ""
    line: int = 0  # 0-based, inside the script
    opaque: bool = False  # part of it is not known
    many: bool = False  # it may be any number of words
    quoted: bool = False
    arguments: bool = False  # `"$@"`: what the script itself was given


@dataclass(slots=True)
class _Scanner:
    text: str
    known: Mapping[str, str]
    at: int = 0
    line: int = 0
    commands: list[list[ShellWord]] = field(default_factory=lambda: [[]])
    word: ShellWord | None = None

    def run(self) -> list[list[ShellWord]]:
        while self.at < len(self.text):
            self._step(self.text[self.at])
        self._end_word()
        return [command for command in self.commands if command]

    def _step(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == "'":
            self._single()
        elif char == '"':
            self._double()
        elif char in "$`":
            self._expansion(quoted=False)
        elif char == "#" and self.word is None:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif char in " \t":
            self._end_word()
            self.at += 1
        elif char in _OPERATORS:
            self._operator(char)
        else:
            self._add(char)
            self.at += 1

    def _operator(self, char: str) -> None:
        if char in "<>":  # a redirection takes the next word with it
            if self.word and self.word.text.isdigit():
                self.word = None
            self._end_word()
            self.at += len(char)
            while self.text[self.at : self.at + 1] in ("<", ">", "&", " "):
                self.at += 1
            self.commands.append(self.commands.pop())
            self._skip_word()
            return
        self._end_word()
        self.commands.append([])
        self.line += char == "\n"
        self.at += 1

    def _skip_word(self) -> None:
        while self.at < len(self.text) and self.text[self.at] not in " \t" + _OPERATORS:
            self.at += 1

    def _current(self) -> ShellWord:
        if self.word is None:
            self.word = ShellWord(line=self.line)
        return self.word

    def _add(self, text: str) -> None:
        self._current().text += text

    def _end_word(self) -> None:
        if self.word is not None:
            self.commands[-1].append(self.word)
            self.word = None

    def _escape(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "\n":
            self.line += 1
        else:
            self._add(following)
        self.at += 2

    def _single(self) -> None:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        inside = self.text[self.at + 1 : end]
        self._current().quoted = True
        self._add(inside)
        self.line += inside.count("\n")
        self.at = end + 1

    def _double(self) -> None:
        self._current().quoted = True
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`", "\n"):
                self._escape()
            elif char in "$`":
                self._expansion(quoted=True)
            else:
                self._add(char)
                self.line += char == "\n"
                self.at += 1
        self.at += 1

    def _expansion(self, *, quoted: bool) -> None:
        word = self._current()
        rest = self.text[self.at :]
        end = _substitution_end(rest)
        found = _VARIABLE.match(rest)
        if end:
            length = end
        elif found:
            length = found.end()
            name = found.group(1) or found.group(2)
            if name in self.known and (quoted or " " not in self.known[name]):
                word.text += self.known[name]
                self.at += length
                return
        else:
            self._add(rest[0])
            self.at += 1
            return
        word.arguments = not word.text and rest[:length] in ("$@", "${@}", "$*")
        word.opaque = True
        word.many = word.many or not quoted or "@" in rest[:length] or "[*]" in rest[:length]
        self.line += rest[:length].count("\n")
        self.at += length


def _substitution_end(text: str) -> int:
    """The length of `$(...)`, `$((...))` or `` `...` `` at the start of `text`; 0 when there is none."""
    if text.startswith("`"):
        end = text.find("`", 1)
        return end + 1 if end > 0 else len(text)
    if not text.startswith("$("):
        return 0
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if index > 1 and depth == 0:
            return index + 1
    return len(text)


def commands(script: str, known: Mapping[str, str]) -> list[list[ShellWord]]:
    """Every simple command of `script`, in order; `known` are the variables whose values are certain."""
    return _Scanner(text=script, known=known).run()
