"""Prepare a model: turn a checkpoint into a sealed artefact by fetch → export → optimise → verify → seal.

Each step is a module that uses the result of the previous one. A step that fails raises PrepareError (`errors.py`)
with one sentence for the user. The manifest is written last, so an unfinished artefact is never taken for a complete
one. The server imports nothing from here; preparing needs the extra `prepare` (huggingface_hub, transformers, torch,
onnx).
"""
