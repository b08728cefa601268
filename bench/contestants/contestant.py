"""A contestant: a reranker with its name in tables and files, and the command-line spec that defines it.

    [NAME=]DIALECT[:MODEL][@URL][,per_minute=N][,concurrency=N]     ours=rerank@http://127.0.0.1:8000
    bm25, oracle                                                    need no server

A URL is a base URL to which the dialect's route is added, or the full endpoint if it ends in rerank, reranking, ranking
or score. A vendor's key is sent only to that vendor's own host; RERANKER_API_KEY, if set, is sent to any other URL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from bench.contestants import rerank
from bench.contestants.catalogue import DIALECTS
from bench.contestants.dialect import Dialect, Price
from bench.contestants.reference import REFERENCES, Reference
from bench.errors import ContestantError
from bench.names import folded_name, typed_name
from bench.records import ContestantNote
from bench.settings import Settings

SPEC = re.compile(
    r"(?:(?P<name>[^=:@,]*)=)?(?P<dialect>[^=:@,]*)(?::(?P<model>[^@,]+))?(?:@(?P<url>.+?))?"
    r"(?P<options>(?:,(?:per_minute|concurrency)=[^,]*)*)"
)
FORM = "[NAME=]DIALECT[:MODEL][@URL][,per_minute=N][,concurrency=N]"
RESERVED = "candidates"
LOCAL_KEY_VARIABLE = "RERANKER_API_KEY"
ENDPOINT = re.compile(r"/(rerank|reranking|ranking|score)$")


@dataclass(frozen=True)
class Contestant:
    """A reranker behind a URL."""

    name: str
    dialect: Dialect
    url: str
    """The base URL, without a trailing slash."""
    route: str
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    per_minute: int | None = None
    """Maximum number of requests per minute, evenly spaced; None for no limit."""
    concurrency: int | None = None
    """Maximum number of concurrent requests; None leaves it to the command."""

    @property
    def price(self) -> Price | None:
        """The published price, if the vendor itself serves the model and the price is known."""
        return self.dialect.prices.get(self.model or "") if _is_vendors(self.dialect, self.url) else None

    def note(self) -> ContestantNote:
        """The description of this contestant in a record, without the key."""
        return ContestantNote(self.name, self.dialect.name, self.model, self.url + self.route)


def rerank_at(url: str, model: str | None = None, route: str = rerank.DIALECT.route) -> Contestant:
    """Return the contestant `rerank` at `url`, without a key, as `--url` defines it."""
    return Contestant(rerank.DIALECT.name, rerank.DIALECT, url.rstrip("/"), route, model)


def default_name(dialect: str, model: str | None) -> str:
    """Return the name of a contestant that was given none."""
    return f"{dialect}-{model}" if model else dialect


def is_same_contestant(recorded: ContestantNote, now: ContestantNote) -> bool:
    """Tell whether results that name the contestant `recorded` belong to the contestant `now`.

    Earlier versions folded names (`a/b` into `a-b`). A folded name counts only where dialect and model say what it was.
    """
    if recorded.name == now.name:
        return True
    is_default = now.name == default_name(now.dialect, now.model)
    same_model = (recorded.dialect, recorded.model) == (now.dialect, now.model)
    return is_default and same_model and recorded.name == folded_name(now.name)


def parse_all(specs: Sequence[str], settings: Settings) -> list[Contestant | Reference]:
    """Parse all specs; ContestantError if two share a name, because results are stored by name."""
    contestants = [parse(spec, settings) for spec in specs]
    by_name: dict[str, str] = {}
    for spec, contestant in zip(specs, contestants, strict=True):
        other = by_name.get(contestant.name.casefold())  # in a table they would look the same
        if other is not None:
            raise ContestantError(
                f"{other!r} and {spec!r} would both be named {contestant.name}: name one of them, as in NAME={spec}"
            )
        by_name[contestant.name.casefold()] = spec
    return contestants


def parse(spec: str, settings: Settings) -> Contestant | Reference:
    """Parse a spec; ContestantError if it is invalid or the vendor's key is not set."""
    spec = typed_name(spec)
    match = SPEC.fullmatch(spec)
    if match is None:
        raise ContestantError(f"{spec!r} is not a valid contestant; the form is {FORM}")
    name, dialect_name, model, url = match["name"], match["dialect"], match["model"], match["url"]
    name = " ".join((name or "").split())
    if name.casefold() == RESERVED:
        raise ContestantError(f"{spec!r}: the name {RESERVED} is reserved for the frozen candidates; use another")
    if dialect_name in REFERENCES:
        if model or url or match["options"]:
            raise ContestantError(f"{spec!r}: {dialect_name} has no server, so it takes no model, URL or option")
        return Reference(name or dialect_name, dialect_name)
    if dialect_name not in DIALECTS:
        choices = ", ".join([*REFERENCES, *DIALECTS])
        raise ContestantError(f"{spec!r}: unknown dialect {dialect_name!r}; choose from {choices}")
    dialect = DIALECTS[dialect_name]
    model = model or dialect.default_model
    base, route = _address(spec, dialect, url)
    options = _options(spec, match["options"])
    return Contestant(
        name=name or default_name(dialect_name, model),
        dialect=dialect,
        url=base,
        route=route,
        model=model,
        key=_key(spec, dialect, base, settings),
        per_minute=options.get("per_minute"),
        concurrency=options.get("concurrency"),
    )


def _address(spec: str, dialect: Dialect, given: str | None) -> tuple[str, str]:
    """Return the base URL and the route."""
    url = given or dialect.base_url
    if url is None:
        raise ContestantError(
            f"{spec!r}: {dialect.name} has no default URL; give one, as in {dialect.name}@http://HOST:PORT"
        )
    parts = _split(spec, url)
    if parts.username or parts.password:
        raise ContestantError(f"{spec.partition('@')[0]}: the URL must not contain a key; set {LOCAL_KEY_VARIABLE}")
    if parts.query or parts.fragment:
        raise ContestantError(f"{spec!r}: the URL must not contain a query string or a fragment")
    url = url.rstrip("/")
    endpoint = ENDPOINT.search(url)
    return (url[: endpoint.start()], endpoint[0]) if endpoint else (url, dialect.route)


def _split(spec: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ContestantError(f"{spec!r}: {url!r} is not a valid URL; use http://HOST:PORT or https://HOST")
    return parts


def _is_vendors(dialect: Dialect, url: str) -> bool:
    """Tell whether `url` has the scheme, host and port of the vendor."""
    if dialect.base_url is None:
        return False
    own, given = urlsplit(dialect.base_url), urlsplit(url)
    return (own.scheme, own.hostname, own.port) == (given.scheme, given.hostname, given.port)


def _key(spec: str, dialect: Dialect, url: str, settings: Settings) -> str | None:
    if not (dialect.key_variable and _is_vendors(dialect, url)):
        return settings.key(LOCAL_KEY_VARIABLE)
    key = settings.key(dialect.key_variable)
    if key is None:
        raise ContestantError(f"{spec!r} needs an API key: set the environment variable {dialect.key_variable}")
    return key


def _options(spec: str, text: str) -> dict[str, int]:
    options: dict[str, int] = {}
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        if not value.isdecimal() or int(value) < 1:
            raise ContestantError(f"{spec!r}: {name} must be a whole number of at least 1, not {value!r}")
        options[name] = int(value)
    return options
