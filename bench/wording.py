"""Counts for messages: "1 document", "2 documents", "1 query", "0 queries", and the verb that follows a count."""

HISSING = ("s", "x", "z", "ch", "sh")
VOWELS = frozenset("aeiou")


def counted(count: float, noun: str, form: str = "") -> str:
    """Return a count and its noun, in the singular for 1.

    Args:
        count: the number of things.
        noun: what is counted, in the singular; only its last word is inflected ("judged query").
        form: a format specification for the count, such as "," or "g".
    """
    number = format(count, form)
    return f"{number} {noun if number == '1' else plural(noun)}"


def plural(noun: str) -> str:
    """Return the regular plural of a noun."""
    if noun.endswith("y") and noun[-2:-1] not in VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(HISSING) else f"{noun}s"


def are(count: float, plural_verb: str = "are") -> str:
    """Return the verb for a count of things: "is" for 1, otherwise "are"; likewise "was" and "were"."""
    return {"are": "is", "were": "was"}[plural_verb] if count == 1 else plural_verb
