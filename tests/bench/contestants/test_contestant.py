"""Specs as users type them: names, models, URLs, limits, keys, and one sentence for what cannot be."""

import pytest

from bench.contestants.contestant import Contestant, parse, parse_all, rerank_at
from bench.contestants.reference import Reference
from bench.errors import BenchError, ContestantError
from bench.settings import Settings

KEYS = Settings(keys={"COHERE_API_KEY": "co-secret", "RERANKER_API_KEY": "local-secret", "NVIDIA_API_KEY": "nv-secret"})


def _parse(spec: str) -> Contestant:
    contestant = parse(spec, KEYS)
    assert isinstance(contestant, Contestant)
    return contestant


@pytest.mark.parametrize(
    ("spec", "name", "dialect", "model", "endpoint"),
    [
        ("ours=rerank@http://127.0.0.1:8000", "ours", "rerank", None, "http://127.0.0.1:8000/v1/rerank"),
        ("rerank:bge@http://[::1]:8000/", "rerank-bge", "rerank", "bge", "http://[::1]:8000/v1/rerank"),
        ("cohere", "cohere-rerank-v3.5", "cohere", "rerank-v3.5", "https://api.cohere.com/v2/rerank"),
        ("cohere:rerank-v4.0-pro", "cohere-rerank-v4.0-pro", "cohere", "rerank-v4.0-pro", None),
        ("a  b/c=tei@http://h", "a b/c", "tei", None, "http://h/rerank"),
        ("nim:nv-rerank:1@http://h:1", "nim-nv-rerank:1", "nim", "nv-rerank:1", "http://h:1/v1/ranking"),
        ("voyage@http://h/voyage", "voyage-rerank-2.5", "voyage", "rerank-2.5", "http://h/voyage/v1/rerank"),
        ("jina:m@https://h/proxy/rerank", "jina-m", "jina", "m", "https://h/proxy/rerank"),
        ("vllm-score@http://h/v1/score", "vllm-score", "vllm-score", None, "http://h/v1/score"),
        ("vllm-score@http://h", "vllm-score", "vllm-score", None, "http://h/v1/score"),
        ("infinity@http://h/a,b", "infinity", "infinity", None, "http://h/a,b/rerank"),
        ("北京=tei@http://h", "北京", "tei", None, "http://h/rerank"),
        ("cafe\u0301=tei@http://h", "café", "tei", None, "http://h/rerank"),
        ("rerank:acme/模型@http://h", "rerank-acme/模型", "rerank", "acme/模型", None),
        ("..=tei@http://h", "..", "tei", None, "http://h/rerank"),
    ],
)
def test_a_spec_is_read(spec: str, name: str, dialect: str, model: str | None, endpoint: str | None) -> None:
    """Name, dialect, model and URL, each with its default; the name is as it was typed, in one Unicode form."""
    settings = Settings(keys={"COHERE_API_KEY": "k"})
    contestant = parse(spec, settings)
    assert isinstance(contestant, Contestant)
    assert (contestant.name, contestant.dialect.name, contestant.model) == (name, dialect, model)
    if endpoint:
        assert contestant.note().url == endpoint


def test_limits_are_read_from_the_end_of_a_spec() -> None:
    """Requests a minute and at a time, in either order; without them there is no limit of our own."""
    limited = _parse("x=tei@http://h:1,concurrency=3,per_minute=60")
    assert (limited.per_minute, limited.concurrency, limited.url) == (60, 3, "http://h:1")
    assert (_parse("tei@http://h").per_minute, _parse("tei@http://h").concurrency) == (None, None)
    assert _parse("cohere,per_minute=10").per_minute == 10


def test_references_need_no_server() -> None:
    """bm25 and oracle, under their own name or another."""
    assert parse("bm25", Settings()) == Reference("bm25", "bm25")
    assert parse("best=oracle", Settings()) == Reference("best", "oracle")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("nosuch@http://h", "unknown dialect 'nosuch'; choose from bm25, oracle, rerank, "),
        ("http://127.0.0.1:8000", "unknown dialect 'http'"),
        ("", "unknown dialect ''"),
        ("a=b=c", "is not a valid contestant; the form is"),
        ("tei", "tei has no default URL; give one, as in tei@http://HOST:PORT"),
        ("tei@localhost:80", "'localhost:80' is not a valid URL; use http://HOST:PORT"),
        ("tei@http://", "is not a valid URL"),
        ("tei@http://h:99999", "is not a valid URL"),
        ("tei@http://user:pass@h", "the URL must not contain a key; set RERANKER_API_KEY"),
        ("tei@http://h?key=x", "must not contain a query string"),
        ("voyage", "'voyage' needs an API key: set the environment variable VOYAGE_API_KEY"),
        ("tei@http://h,per_minute=0", "per_minute must be a whole number of at least 1, not '0'"),
        ("tei@http://h,concurrency=many", "not 'many'"),
        ("Candidates=bm25", "the name candidates is reserved for the frozen candidates"),
        ("bm25:m", "bm25 has no server, so it takes no model"),
    ],
)
def test_what_cannot_be_is_one_sentence(spec: str, sentence: str) -> None:
    """What is wrong with the spec and what would be right, before any request."""
    with pytest.raises(ContestantError, match=sentence) as caught:
        parse(spec, Settings())
    assert "pass" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["a\nb=bm25", "\udce9=bm25", "rerank:m\x00@http://h"])
def test_a_name_that_no_table_can_hold_is_refused(spec: str) -> None:
    """Line breaks, and bytes that are not UTF-8: one sentence, in which they can be seen."""
    with pytest.raises(BenchError, match="contains a control character or bytes that are not UTF-8") as caught:
        parse(spec, Settings())
    assert str(caught.value).isprintable()


def test_a_vendors_key_goes_to_the_vendor_only() -> None:
    """The same dialect at another host, or without TLS, gets the local key: a vendor's key is never given away."""
    assert _parse("cohere").key == "co-secret"
    assert _parse("cohere@https://api.cohere.com").key == "co-secret"
    assert _parse("nim").key == "nv-secret"
    elsewhere = ["http://api.cohere.com", "https://api.cohere.com.evil.org", "https://api.cohere.com:8443", "http://h"]
    assert [_parse(f"cohere@{url}").key for url in elsewhere] == ["local-secret"] * 4
    assert parse("cohere@http://h", Settings()).key is None  # type: ignore[union-attr]  # no reference


def test_a_key_is_never_shown() -> None:
    """Not when a contestant or the settings are printed, and not in the note that a record holds."""
    contestant = _parse("cohere")
    assert "co-secret" not in f"{contestant!r} {contestant.note()!r} {KEYS!r}"


def test_settings_take_every_api_key_of_the_environment() -> None:
    """Variables that end in _API_KEY, stripped; empty ones are absent, and one that no header carries is refused."""
    environment = {"A_API_KEY": " x\n", "B_API_KEY": " ", "C_API_KEY": "a\nb", "D_KEY": "y", "E_API_KEY": "schlüssel"}
    settings = Settings.from_environment(environment)
    assert (settings.key("A_API_KEY"), settings.key("B_API_KEY"), settings.key("D_KEY")) == ("x", None, None)
    for variable in ("C_API_KEY", "E_API_KEY"):
        with pytest.raises(ContestantError, match=f"{variable} contains a space") as caught:
            settings.key(variable)
        assert environment[variable] not in str(caught.value)


def test_two_contestants_with_one_name_are_an_error() -> None:
    """Nobody could tell them apart in a table: names that differ in case or in their Unicode form clash too."""
    for specs in (["bm25", "bm25"], ["é=bm25", "e\u0301=oracle"], ["X=bm25", "x=oracle"], ["Ω=bm25", "ω=oracle"]):
        with pytest.raises(ContestantError, match="would both be named"):
            parse_all(specs, Settings())
    assert len(parse_all(["bm25", "oracle"], Settings())) == 2
    assert len(parse_all(["a/b=bm25", "a b=oracle", "a-b=bm25"], Settings())) == 3


def test_a_price_is_the_vendors_and_the_models() -> None:
    """At another host a model of the same name costs something else, and an unknown model has no price."""
    price = _parse("cohere").price
    assert price is not None
    assert price.usd(tokens=None, search_units=2) == 0.004
    assert price.usd(tokens=5, search_units=None) is None
    assert _parse("cohere@http://h").price is None
    assert _parse("cohere:rerank-english-v2.0").price is None
    assert rerank_at("http://h").price is None


def test_the_oracle_and_bm25_score_as_they_say() -> None:
    """The oracle by grade with unjudged as 0, BM25 by place; both leave ties to the candidates' order."""
    ids, grades = ["a", "b", "c", "d"], {"b": 2, "c": -1, "d": 1}
    assert Reference("oracle", "oracle").scores(ids, grades) == [0.0, 2.0, -1.0, 1.0]
    bm25 = Reference("bm25", "bm25").scores(ids, grades)
    assert sorted(bm25, reverse=True) == bm25
    assert len(set(bm25)) == 4
