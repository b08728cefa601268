"""From a checkpoint to a sealed artefact, in steps: fetch → export → optimise → verify → seal.

Each step is a file and takes what the one before it made. A step that cannot be done raises PrepareError (`errors.py`)
with one sentence for the user, and nothing that is half done looks whole: the manifest is written last. Nothing here is
imported when serving; it needs the extra `prepare` (huggingface_hub, transformers, torch, onnx).
"""
