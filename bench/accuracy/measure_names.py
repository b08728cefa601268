"""Measures by name: turns what a user typed, such as `AP` or `R(rel=2)@100`, into a measure of ir_measures.

A name that is no measure, a parameter outside its limits, and a measure whose library is not installed are each one
sentence. The limits are those within which trec_eval and the other programs compute what the name says: outside them
they end the process (`R@0`), return 0 for everything (`RR@0`) or compute another measure (`IPrec@0.123`, as at 0.12).
"""

import re
from collections.abc import Callable
from typing import Any

import ir_measures

from bench.data.rows import GREATEST_GRADE
from bench.errors import BenchError

LONGEST_NAME = 200
EXAMPLES = "use a name such as AP, P@5 or R@100, with whole numbers from 1"


def _is_whole(value: Any, lowest: int, highest: int) -> bool:
    return type(value) is int and lowest <= value <= highest


def _is_mapping_of_grades(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_whole(grade, 0, GREATEST_GRADE) for pair in value.items() for grade in pair
    )


LIMITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "cutoff": ("a whole number from 1 to 2^63 - 1", lambda value: _is_whole(value, 1, 2**63 - 1)),
    "rel": (f"a grade from 1 to {GREATEST_GRADE:,}", lambda value: _is_whole(value, 1, GREATEST_GRADE)),
    "recall": (
        "a number from 0.0 to 1.0 with one or two decimals",
        lambda value: type(value) is float and 0 <= value <= 1 and value == round(value, 2),
    ),
    "p": ("a number from 0.0 to 1.0", lambda value: type(value) is float and 0 <= value <= 1),
    "gains": (f"such as {{1: 5}}, with whole numbers from 0 to {GREATEST_GRADE:,}", _is_mapping_of_grades),
}
"""What a parameter may be, in words and as a test; the library itself checks the types and choices of the others."""
TYPES = {int: "a whole number", float: "a number with decimals, such as 2.0", bool: "True or False", str: "a word"}


def named(name: str, relevance_level: int = 1) -> Any:
    """Return the measure of this name, counting from `relevance_level` unless the name sets its own level.

    Raises:
        BenchError: there is no such measure, or it cannot be computed with these parameters and libraries.
    """
    measure = _parsed(name)
    for parameter, value in measure.params.items():
        wrong = _wrong(measure, parameter, value)
        if wrong:
            raise BenchError(f"the measure {name!r} cannot be computed: {wrong}")
    levelled = measure if re.search(r"\brel\s*=", name) else counting_from(relevance_level, measure)
    if _is_computable(levelled):
        return levelled
    if _is_computable(measure):
        raise BenchError(
            f"the measure {name!r} cannot be computed where documents are relevant from grade {relevance_level} only, "
            "as in this dataset; give it rel=1 to count all grades above 0"
        )
    raise BenchError(f"the measure {name!r} needs a parameter or a library that is missing; {_remedy(measure)}")


def counting_from(relevance_level: int, measure: Any) -> Any:
    """Return the measure with its relevance level, unless it counts from no level or the level is the default of 1."""
    has_level = "rel" in measure.params or measure.SUPPORTED_PARAMS.get("rel", _NO_LEVEL).default == 1
    return measure(rel=relevance_level) if relevance_level != 1 and has_level else measure


_NO_LEVEL = ir_measures.ParamInfo()


def _wrong(measure: Any, parameter: str, value: Any) -> str | None:
    info = measure.SUPPORTED_PARAMS.get(parameter)
    if info is None:
        return f"{measure.NAME} has no parameter {parameter}"
    if parameter in LIMITS:
        words, is_within = LIMITS[parameter]
        return None if is_within(value) else f"its {parameter} must be {words}"
    if info.validate(value):
        return None
    choices = " or ".join(map(repr, info.choices)) if isinstance(info.choices, list) else TYPES.get(info.dtype, "other")
    return f"its {parameter} must be {choices}"


def _parsed(name: str) -> Any:
    if len(name) > LONGEST_NAME:
        raise BenchError(f"unknown measure {name[:LONGEST_NAME]!r}…: {EXAMPLES}")
    try:
        return ir_measures.parse_measure(name)
    except (NameError, ValueError, TypeError) as error:
        raise BenchError(f"unknown measure {name!r}: {_spelled_otherwise(name) or EXAMPLES}") from error


def _spelled_otherwise(name: str) -> str | None:
    """Return the question whether another spelling was meant: `nDCG@10` for `ndcg@10`."""
    letters = "".join(re.findall(r"^\w+", name))
    registry = ir_measures.measures.registry
    known = next((known for known in registry if known.casefold() == letters.casefold()), None)
    return None if known is None or letters in registry else f"did you mean {known}{name[len(letters) :]}?"


def _is_computable(measure: Any) -> bool:
    try:
        return bool(ir_measures.DefaultPipeline.supports(measure))
    except AssertionError:  # raised by the library if a parameter is missing, unknown or of another type
        return False


def _remedy(measure: Any) -> str:
    """Say which parameters or which package would make the measure computable, where the library tells."""
    for provider in ir_measures.DefaultPipeline.providers:
        for supported in provider.SUPPORTED_MEASURES:
            if supported.NAME != measure.NAME:
                continue
            required = {key for key, spec in supported.params.items() if getattr(spec, "required", False)}
            required |= {key for key, info in measure.SUPPORTED_PARAMS.items() if info.required}
            missing = sorted(required - measure.params.keys())
            steps = [f"give it {', '.join(missing)}"] if missing else []
            if not provider.is_available() and provider.install_instructions():
                steps.append(f"install the library: {provider.install_instructions()}")
            if steps:
                return ", and ".join(steps)
    return "an example is P@5"
