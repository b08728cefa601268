"""A Dockerfile as data: its stages, their instructions, and what `.dockerignore` lets into the build.

It reads the part of the format that this project uses and raises ValueError for the rest, so that a step is never
skipped in silence. Source of the rules: Docker's "Dockerfile reference" and "Build context" pages.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

KNOWN = frozenset({"CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "USER", "WORKDIR"})


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals, its `--flags`, and the rest."""

    name: str
    flags: Mapping[str, str]
    text: str

    def words(self) -> list[str]:
        """The rest, split at blanks."""
        return self.text.split()

    def command(self) -> list[str]:
        """The exec form's argument vector; ValueError for the shell form, which keeps signals from the program."""
        command = json.loads(self.text)
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise ValueError(f"{self.name} {self.text} is not an exec form")
        return command

    def pairs(self) -> dict[str, str]:
        """The `NAME=value` pairs of ENV and ARG; a lone NAME is left out, as it has no value."""
        named = (word.partition("=") for word in self.words())
        return {name: value.strip('"') for name, equals, value in named if equals}


@dataclass(frozen=True)
class Stage:
    """One stage: its name, the stage or image it starts from, and its instructions in order."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Every instruction of that name, in order."""
        return [instruction for instruction in self.instructions if instruction.name == name]


def read(text: str) -> dict[str, Stage]:
    """Read a Dockerfile's text into its stages by name, in order; the last is the default target."""
    stages: dict[str, Stage] = {}
    before_first: dict[str, str] = {}
    stage: Stage | None = None
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, _, name = instruction.words()
            stage = stages[name] = Stage(name, substitute(base, before_first))
        elif instruction.name == "ARG":
            before_first |= _global(instruction, stage)
        elif stage is None or instruction.name not in KNOWN:
            raise ValueError(f"{instruction.name} {instruction.text} is not understood here")
        else:
            stage.instructions.append(instruction)
    return stages


def lineage(stages: Mapping[str, Stage], target: str) -> list[Stage]:
    """The stages that a stage is made of, first the one that starts from an image, last itself."""
    stage = stages[target]
    return [*lineage(stages, stage.base), stage] if stage.base in stages else [stage]


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `$NAME` and `${NAME}`; an unknown name becomes nothing, as Docker has it."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values.get(found[1] or found[2], ""), text)


def lets_through(dockerignore: str, path: str) -> bool:
    """Is a file of the working tree part of the build? The last pattern that matches it or its folder decides."""
    through = True
    for line in dockerignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if re.fullmatch(_expression(pattern.removeprefix("!")), path):
            through = pattern.startswith("!")
    return through


def _global(argument: Instruction, stage: Stage | None) -> dict[str, str]:
    """An ARG's value; within a stage only one without a value, which changes no step, is understood."""
    if stage is not None and argument.pairs():
        raise ValueError(f"ARG {argument.text} has a value within the stage {stage.name}")
    return argument.pairs()


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for logical in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = logical.strip().partition(" ")
        if name:
            flags, rest = _flags(rest.strip())
            yield Instruction(name.upper(), flags, rest)


def _flags(rest: str) -> tuple[dict[str, str], str]:
    flags = {}
    while found := re.match(r"--([\w-]+)=(\S+)\s+", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    return flags, rest


def _expression(pattern: str) -> str:
    """A .dockerignore pattern as a regular expression: `**/` is any folders, `*` ends at one, a folder is all in it."""
    escaped = re.escape(pattern.strip("/"))
    return escaped.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*") + "(?:/.*)?"
