"""The tokenizer that an artefact gets: it reads texts as transformers' AutoTokenizer does, or the model is refused.

The oracle is AutoTokenizer on the same folder.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, BertTokenizerFast

from models.artefact import ArtefactError
from models.catalogue import EMBEDDED
from models.chunks import ChunkOptions
from models.prepare.errors import PrepareError
from models.prepare.pairs import read_texts
from models.prepare.progress import Progress
from models.prepare.settle_tokenizer import SettledTokenizer, settle_tokenizer
from models.tokenise import Tokeniser
from tests.support.checkpoint_tokenizers import ROWS, wordpiece, write
from tests.support.texts import ODD, PASSAGES, QUERY
from tests.support.tiny_graphs import SILENT

TEXTS = [
    "Giant PANDA eats bamboo in China",
    "café Über crème cafe\u0301 e",
    "大熊猫 吃 竹子 panda熊猫bear",
    "3.14 and 2024",
    "panda [SEP] bear [MASK][CLS] panda",
    "  two\t\tthree\n\nbear\u00a0panda ",
    "🐼 eats 🎋",
]
ADDED_ID = wordpiece().get_vocab_size()
MANY = [f"[u{number}]" for number in range(60)]
ADDED_TEXTS = ["zebra", "ZEBRA", "a Zebra, zebrapanda", "[sep] panda [Sep]", "[U59]", "[u59]x", "[u5] [u58]"]
LONG = "one panda " * 100 + "the bear is in China"


def settle(folder: Path, checkpoint: Path, progress: Progress = SILENT) -> SettledTokenizer:
    (folder / "out").mkdir()
    return settle_tokenizer(checkpoint.name, checkpoint, folder / "out", read_texts(), progress)


def oracle(checkpoint: Path) -> Any:
    return AutoTokenizer.from_pretrained(str(checkpoint))


def assert_reads_as(reference: Any, file: Path) -> None:
    """Ids and segment ids, whole and cut; a tokenizer that gives no segment ids has the model take 0."""
    tokeniser, short = Tokeniser.open(file, 512), Tokeniser.open(file, 32)
    for text in [*TEXTS, *ADDED_TEXTS]:
        for query, document in ((text, "a bear"), ("a bear", text)):
            expected = reference(query, document)
            (pair,) = tokeniser.pairs(query, [document])
            assert pair.ids.tolist() == expected["input_ids"], text
            assert pair.types.tolist() == expected.get("token_type_ids", [0] * len(pair)), text
    cut = reference("a bear", LONG, truncation="only_second", max_length=32)
    assert short.pairs("a bear", [LONG])[0].ids.tolist() == cut["input_ids"]


@pytest.mark.parametrize(
    ("made", "stated", "cause"),
    [
        ({}, {"do_lower_case": False}, "do_lower_case (false)"),
        ({"lowercase": False}, {"do_lower_case": True}, "BertTokenizer"),
        ({}, {"strip_accents": False}, "strip_accents (false)"),
        ({"strip_accents": False}, {}, "BertTokenizer"),
        ({}, {"tokenize_chinese_chars": False}, "tokenize_chinese_chars (false)"),
        ({"post_processor": False}, {}, "BertTokenizer"),
        ({"separated": False}, {}, "BertTokenizer"),
        ({}, {"model_input_names": ["input_ids", "attention_mask"]}, "model_input_names"),
        ({}, {"truncation_side": "left"}, 'truncation_side ("left")'),
        ({}, {"cls_token": "[MASK]"}, 'cls_token ("[MASK]")'),
        ({}, {"additional_special_tokens": ["panda"]}, "additional_special_tokens"),
        ({}, {"do_lower_case": False, "truncation_side": "left"}, "do_lower_case (false)"),
    ],
    ids=str,
)
def test_what_the_config_changes_is_sealed(
    tmp_path: Path, made: dict[str, Any], stated: dict[str, object], cause: str
) -> None:
    """tokenizer.json alone reads other tokens; the artefact's reads transformers', and the user is told why."""
    checkpoint = write(tmp_path / "checkpoint", wordpiece(**made), {"tokenizer_class": "BertTokenizer"} | stated)
    said: list[str] = []
    settled = settle(tmp_path, checkpoint, Progress(said.append))
    assert_reads_as(oracle(checkpoint), settled.file)
    (line,) = said
    assert line.startswith("the artefact gets the tokenizer that transformers builds (BertTokenizer), because ")
    assert cause in line
    assert "\n" not in line


def decoder(first: int, *tokens: str, normalized: bool = False) -> dict[str, object]:
    """Entries of which the last may be normalized."""
    entries = {str(first + at): {"content": token, "normalized": False} for at, token in enumerate(tokens)}
    entries[str(first + len(tokens) - 1)]["normalized"] = normalized
    return {"added_tokens_decoder": entries}


@pytest.mark.parametrize(
    ("in_json", "file", "stated"),
    [
        ([], "tokenizer_config.json", decoder(ADDED_ID, "zebra")),
        ([], "added_tokens.json", {"ZEBRA": ADDED_ID}),
        (["zebra"], "tokenizer_config.json", decoder(ADDED_ID, "zebra", normalized=True)),
        ([], "tokenizer_config.json", decoder(3, "[SEP]", normalized=True)),
        (MANY, "tokenizer_config.json", decoder(ADDED_ID, *MANY, normalized=True)),
        ([], "special_tokens_map.json", {"cls_token": "[MASK]"}),
    ],
    ids=["a word", "another file", "in any case", "[sep] is [SEP]", "the last of many", "another first token"],
)
def test_tokens_that_a_file_adds_or_changes_are_sealed(
    tmp_path: Path, in_json: list[str], file: str, stated: dict[str, object]
) -> None:
    """Added words, also plain ones, and how their letters are folded show only in texts that contain them."""
    tokenizer = wordpiece()
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in in_json])
    checkpoint = write(tmp_path / "checkpoint", tokenizer, {"tokenizer_class": "BertTokenizer"})
    before = json.loads((checkpoint / file).read_text()) if (checkpoint / file).is_file() else {}
    (checkpoint / file).write_text(json.dumps(before | stated))
    said: list[str] = []
    settled = settle(tmp_path, checkpoint, Progress(said.append))
    assert_reads_as(oracle(checkpoint), settled.file)
    cause = "added_tokens_decoder" if file == "tokenizer_config.json" else f"{file} changes"
    assert f"because {cause}" in " ".join(said)


@pytest.mark.parametrize(
    "stated",
    [None, {"tokenizer_class": "BertTokenizer"}, {"tokenizer_class": "BertTokenizerFast", "do_lower_case": True},
     {"padding_side": "left"}, {"model_max_length": 512, "clean_up_tokenization_spaces": True}],
    ids=str,
)  # fmt: skip
def test_a_tokenizer_that_agrees_is_copied_byte_for_byte(tmp_path: Path, stated: dict[str, object] | None) -> None:
    """Nothing is said; padding does not change a pair."""
    checkpoint = write(tmp_path / "checkpoint", wordpiece(), stated)
    said: list[str] = []
    settled = settle(tmp_path, checkpoint, Progress(said.append))
    assert settled.file.read_bytes() == (checkpoint / "tokenizer.json").read_bytes()
    assert said == []
    assert_reads_as(oracle(checkpoint), settled.file)


def test_a_cased_file_without_a_config_is_read_as_the_class_of_the_model_reads_it(tmp_path: Path) -> None:
    """No file says so, but AutoTokenizer takes BERT's class, which folds case."""
    checkpoint = write(tmp_path / "checkpoint", wordpiece(lowercase=False))
    settled = settle(tmp_path, checkpoint)
    assert_reads_as(oracle(checkpoint), settled.file)


def test_the_side_that_is_cut_is_the_models_unless_the_request_names_one(tmp_path: Path) -> None:
    """A model that is made to lose the beginning loses it; a request can still ask for the end."""
    stated = {"tokenizer_class": "BertTokenizer", "truncation_side": "left"}
    checkpoint = write(tmp_path / "checkpoint", wordpiece(), stated)
    tokeniser = Tokeniser.open(settle(tmp_path, checkpoint).file, 32)
    reference = oracle(checkpoint)
    for side in ("left", "right"):
        reference.truncation_side = side
        expected = reference("a bear", LONG, truncation="only_second", max_length=32)["input_ids"]
        options = ChunkOptions(truncation_side=side)
        assert tokeniser.chunked_pairs("a bear", [LONG], options).pairs[0].ids.tolist() == expected
        assert (tokeniser.pairs("a bear", [LONG])[0].ids.tolist() == expected) == (side == "left")
    assert tokeniser.with_window(24).truncation_side == "left"


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"tokenizer_class": "BertTokenizer", "split_special_tokens": True}, r"split_special_tokens \(true\) in tok"),
        (
            {"tokenizer_class": "BertJapaneseTokenizer"},
            r"tokenizer_config.json names \(BertJapaneseTokenizer\)",
        ),
        ({"tokenizer_class": 5}, r"tokenizer_config.json names \(5\)"),
    ],
    ids=["special tokens as plain text", "only Python code", "not a name"],
)
def test_what_no_tokenizer_json_can_say_is_refused_by_name(
    tmp_path: Path, stated: dict[str, object], named: str
) -> None:
    """One sentence with the file and the setting."""
    checkpoint = write(tmp_path / "checkpoint", wordpiece(), stated)
    with pytest.raises(PrepareError, match=named) as raised:
        settle(tmp_path, checkpoint)
    assert "\n" not in str(raised.value)


def test_a_refusal_shows_a_text_and_both_lists_of_ids(tmp_path: Path) -> None:
    """The lists are short and begin with the last token that is the same."""
    stated = {"tokenizer_class": "BertTokenizer", "split_special_tokens": True}
    checkpoint = write(tmp_path / "checkpoint", wordpiece(), stated)
    with pytest.raises(PrepareError, match=r"written out, 'giant \[CLS\]panda \[CLS\] bamboo': token ids \[…, 5, 2, 6"):
        settle(tmp_path, checkpoint)


def test_a_pair_with_nothing_between_the_texts_is_refused(tmp_path: Path) -> None:
    """The class that does what tokenizer.json says puts nothing there either."""
    generic = {"tokenizer_class": "PreTrainedTokenizerFast"}
    checkpoint = write(tmp_path / "checkpoint", wordpiece(separated=False), generic)
    with pytest.raises(ArtefactError, match=r"no special token between.*a decoder reranker, which needs a prompt"):
        settle(tmp_path, checkpoint)


def test_a_token_beyond_the_word_table_is_refused(tmp_path: Path) -> None:
    """In tokenizer.json, or added by tokenizer_config.json: the token, its id and the rows are named."""
    fewer = write(tmp_path / "fewer", wordpiece(), config={"vocab_size": 60})
    with pytest.raises(PrepareError, match=r"has the token '.*' with the id \d+, but .* has only 60 rows"):
        settle(tmp_path, fewer)
    shutil.rmtree(tmp_path / "out")
    rows = wordpiece().get_vocab_size()
    stated = {"tokenizer_class": "BertTokenizer", "extra_special_tokens": ["<more>"]}
    more = write(tmp_path / "more", wordpiece(), stated, {"vocab_size": rows})
    with pytest.raises(PrepareError, match=f"has the token '<more>' with the id {rows}, but .* has only {rows} rows"):
        settle(tmp_path, more)


def test_a_special_token_that_only_the_class_adds_is_left_out_of_a_full_table(tmp_path: Path) -> None:
    """BERT's class adds [MASK] to a vocabulary without it; the model never had it, so it stays plain text."""
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "panda": 4, "bear": 5, "a": 6}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    checkpoint = write(tmp_path / "checkpoint", tokenizer, config={"vocab_size": 7})
    settled = settle(tmp_path, checkpoint)
    (pair,) = Tokeniser.open(settled.file, 64).pairs("PANDA", ["a [MASK] bear"])
    assert max(pair.ids) < 7
    expected = oracle(checkpoint)("PANDA", "a bear")
    assert Tokeniser.open(settled.file, 64).pairs("PANDA", ["a bear"])[0].ids.tolist() == expected["input_ids"]


def test_a_tokenizer_json_without_any_config_stands_for_itself(tmp_path: Path) -> None:
    """A repository of a ready graph may have nothing else; its own segment ids are kept."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    wordpiece(lowercase=False).save(str(checkpoint / "tokenizer.json"))
    settled = settle(tmp_path, checkpoint)
    assert settled.file.read_bytes() == (checkpoint / "tokenizer.json").read_bytes()


def test_a_class_that_nobody_named_and_that_cannot_read_the_file_is_passed_over(tmp_path: Path) -> None:
    """XLM-RoBERTa's class wants a Unigram vocabulary, and no file asks for that class."""
    checkpoint = write(tmp_path / "checkpoint", wordpiece(), config={"model_type": "xlm-roberta"})
    settled = settle(tmp_path, checkpoint)
    assert settled.file.read_bytes() == (checkpoint / "tokenizer.json").read_bytes()


def test_parity_pairs_are_those_that_transformers_encodes(tmp_path: Path) -> None:
    """Each sample is checked; a query beyond three quarters of its window, which transformers cannot cut, is not."""
    checkpoint = write(tmp_path / "checkpoint", wordpiece(), {"tokenizer_class": "BertTokenizer"})
    settled = settle(tmp_path, checkpoint)
    assert len(settled.samples(64, read_texts())) == 80
    shutil.copyfile(checkpoint / "tokenizer.json", tmp_path / "cased.json")
    wordpiece(lowercase=False).save(str(settled.file))
    with pytest.raises(PrepareError, match=r"a parity pair, .*token ids .* by tokenizer\.json, .* by transformers"):
        settled.samples(64, read_texts())


def test_the_true_tokenizer_is_taken_as_it_is(tmp_path: Path, data_dir: Path) -> None:
    """bge-reranker-v2-m3's files agree with one another; transformers' ids are recorded for verify."""
    checkpoint = data_dir / "bge-reranker-v2-m3"
    settled = settle(tmp_path, checkpoint)
    assert settled.file.read_bytes() == (checkpoint / "tokenizer.json").read_bytes()
    assert len(settled.record.pairs) > 80
    assert "XLMRobertaTokenizer" in settled.record.by


def test_the_true_tokenizer_under_changed_settings_reads_as_transformers(tmp_path: Path, data_dir: Path) -> None:
    """bge-reranker-v2-m3's tokenizer, made to cut the beginning and to read one of its words as a special token."""
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(data_dir / "bge-reranker-v2-m3", checkpoint, copy_function=shutil.copyfile)
    stated = json.loads((checkpoint / "tokenizer_config.json").read_text())
    stated |= {"truncation_side": "left", "additional_special_tokens": ["panda"]}
    checkpoint.chmod(0o755)
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(stated))
    settled = settle(tmp_path, checkpoint)
    assert_reads_as(oracle(checkpoint), settled.file)


def test_the_embedded_tokenizer_is_berts_with_its_own_layout() -> None:
    """Each text has the ids of BertTokenizerFast with the settings of all-MiniLM-L6-v2: lower case, 30,522 words.

    A pair is `[CLS] query [SEP] [CLS] document [SEP]`, since the encoder reads the two apart.
    """
    words = Tokenizer.from_file(str(EMBEDDED / "tokenizer.json")).get_vocab(with_added_tokens=False)
    assert len(words) == 30_522
    bert = BertTokenizerFast(vocab=words, do_lower_case=True, strip_accents=None, tokenize_chinese_chars=True)
    tokeniser = Tokeniser.open(EMBEDDED / "tokenizer.json", 8192)
    for text in [QUERY, *PASSAGES, *TEXTS, *ODD, *(text.passage for text in read_texts())]:
        (pair,) = tokeniser.pairs(text, [text])
        apart = bert(text)["input_ids"]
        assert pair.ids.tolist() == apart * 2, text[:40]
        assert pair.types.tolist() == [0] * len(apart) + [1] * len(apart)


def test_every_row_of_the_table_is_enough() -> None:
    """The support's own tokenizer fits its table."""
    assert wordpiece().get_vocab_size() < ROWS
