"""The datasets that the bench knows by name: source, licence, size, labels, and the addresses of the originals.

Only facts; nothing is fetched or read here. A dataset's labels and doubts are noted in every result that uses it. MD5
sums are those that the publishers state (BEIR's README; the MS MARCO pages; ir_datasets for the TREC qrels); if none is
published, the first fetch records a SHA-256 instead.
"""

from dataclasses import dataclass
from enum import Enum

BEIR_BASE = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets"
MSMARCO_BASE = "https://msmarco.z22.web.core.windows.net/msmarcoranking"
AGENTSET_BASE = "https://raw.githubusercontent.com/agentset-ai/embedding-leaderboard/7a1376ca20a006b470e3bbb4a08b17affd380d90/datasets"
"""The public leaderboard's repository, at the commit whose files the catalogue describes."""
UNCLEAR = "unclear: the repository names none"


class Form(Enum):
    """The form of the originals, which determines how a BEIR folder is made from them."""

    BEIR_ZIP = "one archive in BEIR layout"
    BEIR_FILES = "the files of a BEIR folder"
    DL19 = "TREC DL 2019's queries, qrels and BM25 pools"
    PG_TITLES = "the essays, from which known items are made"


@dataclass(frozen=True)
class Source:
    """One original: its address, its file name, and its MD5 if the publisher states one."""

    url: str
    file: str
    md5: str | None = None


@dataclass(frozen=True)
class KnownDataset:
    """One entry of the catalogue."""

    name: str
    leaderboard: str | None
    """Its name on the public leaderboard."""
    origin: str
    licence: str
    size: str
    labels: str
    human_labels: bool
    """Whether the labels come from what people judged, wrote or linked, rather than from a model or a script."""
    doubt: str | None = None
    """The reason to doubt figures on this dataset, noted in every result."""
    bm25_ndcg10: float | None = None
    """BM25's nDCG@10 as published or as first measured, to check reader, candidates and measure together."""
    form: Form = Form.BEIR_ZIP
    sources: tuple[Source, ...] = ()
    download_mb: float | None = None
    why_not: str = "no public original is known"
    """The message of `data fetch` if there are no sources."""


def _beir(name: str, md5: str) -> tuple[Source, ...]:
    return (Source(f"{BEIR_BASE}/{name}.zip", f"{name}.zip", md5),)


def _agentset(name: str, *files: str) -> tuple[Source, ...]:
    wanted = files or ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    return tuple(Source(f"{AGENTSET_BASE}/{name}/{file}", file) for file in wanted)


KNOWN = (
    KnownDataset(
        name="msmarco-dl19",
        leaderboard="MSMARCO",
        origin="TREC Deep Learning 2019, passage ranking; the fetched corpus is the track's BM25 pools of 1,000",
        licence="MS MARCO terms: non-commercial research",
        size="43 judged queries",
        labels="graded 0-3 by NIST's assessors; relevant from 2 in binary measures",
        human_labels=True,
        bm25_ndcg10=0.5058,
        form=Form.DL19,
        sources=(
            Source(
                f"{MSMARCO_BASE}/msmarco-test2019-queries.tsv.gz",
                "msmarco-test2019-queries.tsv.gz",
                "eda71eccbe4d251af83150abe065368c",
            ),
            Source(
                "https://trec.nist.gov/data/deep/2019qrels-pass.txt",
                "2019qrels-pass.txt",
                "2f4be390198da108f6845c822e5ada14",
            ),
            Source(
                f"{MSMARCO_BASE}/msmarco-passagetest2019-top1000.tsv.gz",
                "msmarco-passagetest2019-top1000.tsv.gz",
                "ec9e012746aa9763c7ff10b3336a3ce1",
            ),
        ),
        download_mb=27,
    ),
    KnownDataset(
        name="agentset-msmarco",
        leaderboard="MSMARCO",
        origin="the leaderboard's own part of MS MARCO",
        licence="MS MARCO terms: non-commercial research",
        size="5,000 documents, 50 queries of which 43 are judged",
        labels="the graded positives of TREC DL 2019, without the documents judged irrelevant",
        human_labels=True,
        doubt="the corpus was made around the relevant documents: it is easy, and its figures are not MS MARCO's",
        form=Form.BEIR_FILES,
        sources=_agentset("msmarco"),
        download_mb=2,
    ),
    KnownDataset(
        name="business-reports",
        leaderboard="business reports",
        origin="the leaderboard's texts with qrels made again at report level",
        licence=UNCLEAR,
        size="671 documents, 48 judged queries",
        labels="binary, made automatically: every passage of the report that a query is about",
        human_labels=False,
        doubt="the labels were made automatically, at report level: no human judged a passage",
        bm25_ndcg10=0.80,
        why_not="its labels were made again and are published nowhere; the originals are agentset-business-reports",
    ),
    KnownDataset(
        name="agentset-business-reports",
        leaderboard="business reports",
        origin="the leaderboard's own texts and qrels",
        licence=UNCLEAR,
        size="671 documents, 50 queries of which 11 are judged",
        labels="binary, as the leaderboard publishes them",
        human_labels=False,
        doubt="the published qrels are misaligned (query k is labelled with report k-11): measures mean nothing",
        form=Form.BEIR_FILES,
        sources=_agentset("business-reports"),
        download_mb=0.4,
    ),
    KnownDataset(
        name="pg-silver",
        leaderboard="PG",
        origin="Paul Graham's essays as the leaderboard cuts them",
        licence=UNCLEAR,
        size="2,043 documents, 30 judged queries",
        labels="graded 0-3: buckets of a commercial reranker's scores",
        human_labels=False,
        doubt="the labels are a commercial reranker's scores: no human judged them, and its like is favoured",
        bm25_ndcg10=0.20,
        why_not="the leaderboard's own qrels are empty and these labels are published nowhere; try pg-titles",
    ),
    KnownDataset(
        name="pg-titles",
        leaderboard="PG",
        origin="Paul Graham's essays as the leaderboard cuts them; the titles of those with three passages or more",
        licence=UNCLEAR,
        size="2,043 documents, 167 judged queries",
        labels="binary, known item: an essay's title against the passages of that essay",
        human_labels=False,
        doubt="the labels follow from the essays' titles: no human judged a passage",
        bm25_ndcg10=0.47,
        form=Form.PG_TITLES,
        sources=_agentset("pg", "corpus.jsonl"),
        download_mb=3,
    ),
    KnownDataset(
        name="fiqa",
        leaderboard="FiQA",
        origin="FiQA-2018 task 2, BEIR's files",
        licence="none stated by its authors",
        size="57,638 documents, 648 judged queries in test",
        labels="binary: the answers that people posted to the question",
        human_labels=True,
        bm25_ndcg10=0.2385,
        sources=_beir("fiqa", "17918ed23cd04fb15047f73e6c3bd9d9"),
        download_mb=18,
    ),
    KnownDataset(
        name="agentset-dbpedia",
        leaderboard="DBPedia",
        origin="the leaderboard's own part of DBPedia-Entity v2",
        licence="CC BY-SA 3.0 (DBPedia-Entity)",
        size="5,000 documents, 40 judged queries",
        labels="graded 0-2 by people, over a part of the corpus: figures are higher than on the whole",
        human_labels=True,
        bm25_ndcg10=0.35,
        form=Form.BEIR_FILES,
        sources=_agentset("dbpedia"),
        download_mb=2.3,
    ),
    KnownDataset(
        name="dbpedia-entity",
        leaderboard="DBPedia",
        origin="DBPedia-Entity v2, BEIR's files",
        licence="CC BY-SA 3.0",
        size="4,635,922 documents, 400 judged queries in test",
        labels="graded 0-2 by people",
        human_labels=True,
        sources=_beir("dbpedia-entity", "c2a39eb420a3164af735795df012ac2c"),
        download_mb=640,
    ),
    KnownDataset(
        name="arguana",
        leaderboard="ArguAna",
        origin="ArguAna's counterarguments, BEIR's files",
        licence="CC BY 4.0",
        size="8,674 documents, 1,406 judged queries",
        labels="binary: the one counterargument that the debate portal sets against it",
        human_labels=True,
        bm25_ndcg10=0.41,
        sources=_beir("arguana", "8ad3e3c2a5867cdced806d6503f29b99"),
        download_mb=3.8,
    ),
    KnownDataset(
        name="scifact",
        leaderboard=None,
        origin="SciFact, BEIR's files",
        licence="CC BY-NC 2.0",
        size="5,183 documents, 300 judged queries",
        labels="binary: abstracts that experts marked as evidence",
        human_labels=True,
        bm25_ndcg10=0.676,
        sources=_beir("scifact", "5f7d1de60b170fc8027bb7898e2efca1"),
        download_mb=2.8,
    ),
    KnownDataset(
        name="nfcorpus",
        leaderboard=None,
        origin="NFCorpus, BEIR's files",
        licence="none stated by its authors; for academic use",
        size="3,633 documents, 323 judged queries in test",
        labels="graded 1-2 by how an article's authors link to the abstracts",
        human_labels=True,
        bm25_ndcg10=0.318,
        sources=_beir("nfcorpus", "a89dba18a62ef92f7d323ec890a0d38d"),
        download_mb=2.4,
    ),
    KnownDataset(
        name="tatqa-dev",
        leaderboard=None,
        origin="TAT-QA's development part: tables and paragraphs of financial reports",
        licence="CC BY 4.0",
        size="1,634 documents, 1,668 judged queries",
        labels="binary: the table or paragraph that the annotators answered from",
        human_labels=True,
        bm25_ndcg10=0.583,
        why_not="its original is no BEIR folder; it is not one of the leaderboard's sets",
    ),
    KnownDataset(
        name="sample",
        leaderboard=None,
        origin="written for this project, ships with the bench",
        licence="Apache-2.0",
        size="304 documents, 14 judged queries",
        labels="graded 0-2 by the texts' author, not by annotators",
        human_labels=False,
        doubt="it is far too small to tell rerankers apart: it shows that the bench runs",
        why_not="it ships with the bench: `--data sample`",
    ),
)


def find(name: str) -> KnownDataset | None:
    """Return the dataset with that name; None if the catalogue does not have it."""
    return next((entry for entry in KNOWN if entry.name == name), None)
