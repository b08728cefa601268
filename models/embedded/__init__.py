"""The artefact folder of the small model that ships with the project.

`make embedded` builds `model.onnx`, `tokenizer.json`, `parity.json` and `manifest.json` from the weights of
all-MiniLM-L6-v2; README.md is the model card. The server reads the folder and imports nothing from this package.
"""
