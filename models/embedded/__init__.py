"""The small cross-encoder that ships with the project, as an artefact folder.

`make embedded` builds `model.onnx`, `tokenizer.json`, `parity.json` and `manifest.json` from the weights of
all-MiniLM-L6-v2; README.md is the model card. Serving reads the folder and imports nothing from here.
"""
