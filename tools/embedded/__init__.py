"""Build and measure the embedded model: weights in, sealed artefact out, without torch.

`build` runs the steps in order: `weights` (pinned by sha256) → `inputs` (statistics of the products' inputs) and `idf`
(from the vocabulary) → `graph` (written node by node, its matrices through `quantise`) → `tokenizer` → `reference` (the
encoder in float64, `exact`) → the gates → seal. `calibrate` fits the two constants of the score; `parts`, `evaluate`
and `reliability` measure the figures of the model card. Those need datasets, which the bench reads; a build needs none.
The server imports nothing from here.
"""
