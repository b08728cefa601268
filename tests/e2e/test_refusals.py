"""What must not start: wrong settings and damaged models end with one message and an exit code that is not 0."""

from pathlib import Path

import pytest

from models.artefact import seal
from tests.support.server import run_rerank
from tests.support.tiny import make_artefact, make_manifest


def refuses(*words: str, flags: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> None:
    """Start a server that must not start."""
    done = run_rerank("serve", "--port", "0", *flags, environ=environ)
    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert len(told) == 1 or "--help" in done.stderr, "one clear message"


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"RERANK_MAX_DOCUMETS": "5"}, "RERANK_MAX_DOCUMENTS"),
        ({"RERANK_THREADS": "two"}, "RERANK_THREADS='two'"),
        ({"RERANK_MODEL": "no-such-model"}, "no model is called no-such-model"),
        ({"RERANK_MODEL": "jina-reranker-v1-turbo-en"}, "rerank models prepare jina-reranker-v1-turbo-en --from-onnx"),
        ({"RERANK_MAX_TOKENS": "8"}, "window of 8 tokens is too small for a pair: use a larger RERANK_MAX_TOKENS"),
        ({"RERANK_MAX_TOKENS": "513"}, "RERANK_MAX_TOKENS=513 is more than the context window of embedded, 512 tokens"),
        ({"RERANK_MAX_TOKENS": "513", "RERANK_WORKERS": "2"}, "RERANK_MAX_TOKENS=513 is more than the context window"),
        ({"RERANK_PRECISION": "fp32"}, "set RERANK_PRECISION to int8 or auto"),
        ({"RERANK_API_KEYS": "schlüssel"}, "RERANK_API_KEYS: an API key has characters that cannot be sent"),
        (
            {"RERANK_API_KEYS_FILE": "/nowhere"},
            "RERANK_API_KEYS_FILE: the API key file /nowhere cannot be read: No such",
        ),
        ({"RERANK_CORS_ORIGINS": "x"}, "RERANK_CORS_ORIGINS: 'x' is not an origin"),
        ({"RERANK_MODEL_ALIASES": "caf\udce9"}, "RERANK_MODEL_ALIASES is not valid UTF-8"),
        ({"RERANK_HOST": "a..b"}, "not a valid host name; choose another with RERANK_HOST"),
        ({"RERANK_MODELS_DIR": ""}, "RERANK_MODELS_DIR='' is invalid: it must not be empty"),
        ({"RERANK_HOST": "no.such.host.invalid"}, "cannot listen on no.such.host.invalid"),
    ],
)
def test_a_setting_that_cannot_be_is_named(environ: dict[str, str], word: str) -> None:
    """Unknown names, bad values, and values that do not fit the model."""
    refuses(word, environ=environ)


def test_a_batch_budget_for_a_model_that_runs_one_pair_at_a_time_is_refused(tmp_path: Path) -> None:
    """The manifest says that its scores would depend on their neighbours."""
    make_artefact(tmp_path, batchable=False)
    refuses("one pair at a time", flags=("--model", str(tmp_path), "--max-batch-tokens", "64"))


def test_an_unknown_flag_is_named() -> None:
    """As any command line does."""
    refuses("--no-such-flag", flags=("--no-such-flag",))


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json", "manifest.json"])
def test_a_folder_with_a_missing_file_is_refused(tmp_path: Path, missing: str) -> None:
    """The message names the file."""
    make_artefact(tmp_path)
    (tmp_path / missing).unlink()
    refuses(f"{missing} is missing", flags=("--model", str(tmp_path)))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """The hash does not match."""
    make_artefact(tmp_path)
    with (tmp_path / "tokenizer.json").open("a") as file:
        file.write(" ")
    refuses("tokenizer.json has changed since it was sealed", flags=("--model", str(tmp_path)))


def test_more_than_one_label_is_refused(tmp_path: Path) -> None:
    """A classifier of three labels is not a reranker."""
    make_artefact(tmp_path, labels=3)
    refuses("a reranker has one label", flags=("--model", str(tmp_path)))


def test_a_tokenizer_that_fails_on_unknown_words_is_refused(tmp_path: Path) -> None:
    """Its unknown token is not in its vocabulary: it opens, and fails on the first text."""
    make_artefact(tmp_path)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"unk_token": "[UNK]"', '"unk_token": "absent"'))
    seal(tmp_path, make_manifest())
    refuses("the warm-up of the model failed", "UNK", flags=("--model", str(tmp_path)))


def test_a_manifest_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """Whatever keeps a file from being read is told in its words."""
    (tmp_path / "manifest.json").mkdir()
    refuses("manifest.json cannot be read", flags=("--model", str(tmp_path)))


def test_a_model_that_fails_its_first_pair_stops_the_server(tmp_path: Path) -> None:
    """The vocabulary is larger than the embedding table: only running it shows that."""
    make_artefact(tmp_path)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(
        tokenizer.read_text()
        .replace('"[CLS]": 2', '"[CLS]": 999')
        .replace('"ids": [\n          2\n', '"ids": [\n          999\n')
    )
    text = tokenizer.read_text()
    assert "999" in text
    seal(tmp_path, make_manifest())
    refuses("the model fails on a short test pair", flags=("--model", str(tmp_path)))
