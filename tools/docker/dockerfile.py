"""Parse a Dockerfile into stages and instructions, and apply `.dockerignore`.

It supports the part of the format that this project uses and raises ValueError for the rest, so that no step is skipped
silently. Source of the rules: Docker's "Dockerfile reference" and "Build context" pages.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

KNOWN = frozenset({"CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "USER", "WORKDIR"})


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals, its `--flags` and the remaining text."""

    name: str
    flags: Mapping[str, str]
    text: str

    def words(self) -> list[str]:
        """Split the text at whitespace."""
        return self.text.split()

    def command(self) -> list[str]:
        """Return the arguments of the exec form; raise ValueError for the shell form, which swallows signals."""
        command = json.loads(self.text)
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise ValueError(f"{self.name} {self.text} is not an exec form")
        return command

    def pairs(self) -> dict[str, str]:
        """Return the `NAME=value` pairs of ENV and ARG; a NAME without a value is left out."""
        named = (word.partition("=") for word in self.words())
        return {name: value.strip('"') for name, equals, value in named if equals}


@dataclass(frozen=True)
class Stage:
    """One stage: its name, its base stage or image, and its instructions in order."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Return all instructions of this name, in order."""
        return [instruction for instruction in self.instructions if instruction.name == name]


def read(text: str) -> dict[str, Stage]:
    """Parse a Dockerfile's text into stages by name, in order; the last one is the default target."""
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
            raise ValueError(f"{instruction.name} {instruction.text} is not supported by this parser")
        else:
            stage.instructions.append(instruction)
    return stages


def lineage(stages: Mapping[str, Stage], target: str) -> list[Stage]:
    """Return the chain of stages that a stage is based on, from the one based on an image to the stage itself."""
    stage = stages[target]
    return [*lineage(stages, stage.base), stage] if stage.base in stages else [stage]


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Replace `$NAME` and `${NAME}` by their values; an unknown name becomes the empty string, as in Docker."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values.get(found[1] or found[2], ""), text)


def lets_through(dockerignore: str, path: str) -> bool:
    """Return whether a file is part of the build context; the last pattern that matches it or its folder decides."""
    through = True
    for line in dockerignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if re.fullmatch(_expression(pattern.removeprefix("!")), path):
            through = pattern.startswith("!")
    return through


def _global(argument: Instruction, stage: Stage | None) -> dict[str, str]:
    """Return the value of a global ARG; raise ValueError for an ARG with a value inside a stage."""
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
    """Convert a .dockerignore pattern to a regular expression; a folder matches its whole content."""
    escaped = re.escape(pattern.strip("/"))
    return escaped.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*") + "(?:/.*)?"
