"""Trains the encoder's last layer on labels and states what that wins and loses; the shipped model is not trained.

`python -m tools.embedded.train --data DIR --on fiqa --on tatqa-dev [--out model.safetensors --blend 0.6]`

Needs torch, and DIR with fiqa, nfcorpus and tatqa-dev in BEIR layout. Trained are the last layer's 1.8 million weights,
on the train splits that `--on` names (TAT-QA: two thirds of its queries); measured is nDCG@10 on queries that nothing
was trained on, of all three sets, so that those not named show what is lost elsewhere. The loss is the cross-entropy
of one relevant document against seven of BM25's that are not judged relevant and against the other queries' documents.
A blend of 0.3 is the untrained layer with 0.3 of the way to the trained one (Wortsman et al. 2021, arXiv 2109.01903).
A JSON line for each held-out set and blend, with the difference from blend 0 and its 95 % interval over queries.
`--out` writes the weights at one blend, of which `build --weights FILE --sha256 HEX` makes a model.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load, save
from tokenizers import Tokenizer
from torch.nn import functional

from tools.embedded.evaluate import SEED, Floats, ndcgs, reranked
from tools.embedded.idf import idf
from tools.embedded.labels import SPLITS, Example, HeldOut, split, texts
from tools.embedded.last_layer import Parameters, Text, batches, encode, parameters, similarities, tensors, trunk
from tools.embedded.parts import interval
from tools.embedded.similarity import Text as Compared
from tools.embedded.similarity import best_cosines, cosine, maxsim
from tools.embedded.weights import SHA256, TOKENIZER, WEIGHTS, Matrix, RecipeError, Weights, find, parse, read_pinned

LONGEST = 224
"""Tokens read of a text: the encoder was trained on 128."""
AT_A_TIME = 4
BLENDS = (0.0, 0.3, 0.6, 1.0)
FIRST_FACTOR, FACTOR_RATE, WARM_UP = 12.0, 0.01, 50


class Model(NamedTuple):
    """What stays the same while the last layer is trained."""

    states: dict[str, Text]
    """Every text that is needed, behind the trunk."""
    idfs: Matrix
    head_width: int


def read(found: Sequence[str], weights: Weights, vocabulary: bytes) -> dict[str, Text]:
    """Run every text through the trunk once."""
    tokenizer = Tokenizer.from_buffer(vocabulary)
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(LONGEST, len(weights.positions)))
    ids = [np.array(encoding.ids, np.int64) for encoding in tokenizer.encode_batch(list(found))]
    return {found[place]: text for place, text in trunk(weights, ids)}


def train(layer: Parameters, model: Model, shown: Sequence[Example], steps: int, rate: float) -> Parameters:
    """Train a copy of the layer; the same arguments give the same weights on one machine."""
    random = np.random.default_rng(SEED)
    trained = {name: value.clone().requires_grad_() for name, value in layer.items()}
    factor = torch.tensor(np.log(FIRST_FACTOR), requires_grad=True)
    groups = [{"params": list(trained.values()), "lr": 0.0}, {"params": [factor], "lr": FACTOR_RATE}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
    order: list[int] = []
    loss_so_far = 0.0
    for step in range(steps):
        if len(order) < AT_A_TIME:
            order = random.permutation(len(shown)).tolist()
        drawn = [shown[order.pop()] for _ in range(min(AT_A_TIME, len(order)))]
        loss = _loss(trained, model, drawn, factor, random)
        optimiser.param_groups[0]["lr"] = rate * min(1.0, step / WARM_UP) * (1 - step / steps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimiser.step()
        loss_so_far += (loss.item() - loss_so_far) / min(step + 1, 50)
        if not (step + 1) % 50:
            print(f"step {step + 1} of {steps}: loss {loss_so_far:.3f}", file=sys.stderr, flush=True)  # noqa: T201
    return {name: value.detach() for name, value in trained.items()}


def _loss(
    layer: Parameters, model: Model, drawn: Sequence[Example], factor: torch.Tensor, random: np.random.Generator
) -> torch.Tensor:
    documents: list[str] = []
    targets = []
    for example in drawn:
        targets.append(len(documents))
        documents += [example.relevant[random.integers(len(example.relevant))], *example.others]
    sides = ([example.query for example in drawn], documents)
    queries, found = (encode(layer, [model.states[t] for t in side], model.idfs, model.head_width) for side in sides)
    scores = similarities(queries, found) * factor.exp()
    own = [
        [d in e.relevant and place != at for place, d in enumerate(documents)]
        for e, at in zip(drawn, targets, strict=True)
    ]
    return functional.cross_entropy(scores.masked_fill(torch.tensor(own), -1e4), torch.tensor(targets))


def blended(start: Parameters, trained: Parameters, share: float) -> Parameters:
    """So much of the way from the untrained layer to the trained one."""
    return {name: value + share * (trained[name] - value) for name, value in start.items()}


def measure(layer: Parameters, model: Model, held: HeldOut) -> Floats:
    """nDCG@10 of each query with this last layer, in fp32."""
    known = dict(_compared(layer, model, texts([], [held])))

    def score(query: Compared, document: Compared) -> float:
        return cosine(query, document) + maxsim(query, best_cosines(query, document), model.idfs)

    scores = {}
    for query, ids in held.candidates.items():
        asked = known[held.dataset.queries[query]]
        scores[query] = np.array([score(asked, known[held.dataset.documents[i]]) for i in ids])
    return ndcgs(held.dataset, reranked(held.candidates, scores))


def _compared(layer: Parameters, model: Model, found: Sequence[str]) -> Iterator[tuple[str, Compared]]:
    """Every text as the score compares it."""
    for places in batches([len(model.states[text].ids) for text in found]):
        some = [found[place] for place in places]
        with torch.inference_mode():
            encoded = encode(layer, [model.states[text] for text in some], model.idfs, model.head_width)
        for row, text in enumerate(some):
            ids = model.states[text].ids
            yield text, Compared(ids, encoded.means[row].numpy(), encoded.tokens[row, : len(ids)].numpy())


def figures(start: Parameters, trained: Parameters, model: Model, held: Sequence[HeldOut]) -> Iterator[dict[str, Any]]:
    """What each blend scores on each set."""
    for one in held:
        before = measure(start, model, one)
        for share in BLENDS:
            values = before if not share else measure(blended(start, trained, share), model, one)
            apart = interval(values - before)
            yield {
                "dataset": one.name,
                "queries": len(values),
                "blend": share,
                "nDCG@10": round(float(values.mean()), 4),
                "difference": apart["nDCG@10"],
                "low": apart["low"],
                "high": apart["high"],
            }


def write(out: Path, content: bytes, trained: Parameters) -> str:
    """Write the pinned weights with another last layer; return the file's sha256."""
    found = load(content)
    last = max(int(name.split(".")[2]) for name in found if name.startswith("encoder.layer."))
    found |= tensors(trained, f"encoder.layer.{last}.")
    whole = save(found)
    out.write_bytes(whole)
    return hashlib.sha256(whole).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command (with the command line's own arguments by default); return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.embedded.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with fiqa, nfcorpus and tatqa-dev")
    parser.add_argument("--on", action="append", required=True, choices=list(SPLITS), help="train on it; repeatable")
    parser.add_argument("--queries", type=int, default=1200, help="of each set, at most (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=500, help=f"of {AT_A_TIME} queries (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=3e-5, help="the highest learning rate (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write the encoder's weights with the trained layer")
    parser.add_argument("--blend", type=float, default=1.0, help="of the weights written (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        content = read_pinned(find(WEIGHTS), SHA256[WEIGHTS])
        vocabulary = read_pinned(find(TOKENIZER), SHA256[TOKENIZER])
    except RecipeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    weights = parse(content)
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    shown, held = [], []
    for name in SPLITS:
        known, hidden = split(options.data, name, options.queries, random)
        shown += known if name in options.on else []
        held.append(hidden)
    if not shown:
        sets = ", ".join(options.on)
        print(f"nothing to train on: no query of {sets} has a relevant document and others", file=sys.stderr)  # noqa: T201
        return 1
    model = Model(read(texts(shown, held), weights, vocabulary), idf(vocabulary), weights.head_width)
    start = parameters(weights.layers[-1])
    trained = train(start, model, shown, options.steps, options.rate)
    for line in figures(start, trained, model, held):
        print(json.dumps(line), flush=True)  # noqa: T201
    if options.out:
        sha256 = write(options.out, content, blended(start, trained, options.blend))
        print(json.dumps({"weights": str(options.out), "sha256": sha256}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
