"""The small cross-encoder that ships with the project: an artefact folder with its recipe.

`recipe` makes `model.onnx`, `tokenizer.json` and `manifest.json` from the weights of all-MiniLM-L6-v2; README.md is the
model card. Serving reads the folder and imports nothing from here.
"""
