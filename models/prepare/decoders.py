"""Recognise decoder rerankers, which are refused: they read a prompt around the texts, not a pair of texts.

A model such as Qwen3ForSequenceClassification is a language model whose last token is scored. Its authors trained it
with a prompt (instructions, the names of the parts, a chat template) that no file of a checkpoint states in a form that
could be read, and without it the scores are those of a text that the model has never seen.
"""

from models.prepare.errors import PrepareError

READS_BOTH_WAYS = frozenset({"xlnet", "bigbird_pegasus", "plbart"})
"""Model types that can also generate text, but whose classifiers see the whole pair."""


def refuse_decoder(what: str, architecture: str, model_type: str) -> None:
    """Raise PrepareError if a model type exists in transformers as a generator of text only; torch is not needed."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    generators = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(MODEL_FOR_MASKED_LM_MAPPING_NAMES) - READS_BOTH_WAYS
    if model_type in generators:
        raise PrepareError(decoder_message(what, architecture))


def decoder_message(what: str, architecture: str) -> str:
    """Return the message for a decoder."""
    return (
        f"{what} is a {architecture}, a decoder: as a reranker it needs the prompt that it was trained with around "
        "query and document, which this version does not support; use a cross-encoder, whose architecture is an "
        "encoder's, such as BERT or XLM-RoBERTa"
    )
