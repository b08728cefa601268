"""How the embedded model is made: weights in, sealed artefact out, without torch.

`build` goes through the steps in order: `weights` (pinned by sha256) → `inputs` (what the products are fed with) and
`idf` (from the vocabulary) → `graph` (written node by node, its matrices through `quantise`) → `tokenizer` →
`reference` (the encoder in float64, `exact`) → the gates → seal. `calibrate` fits the two constants of the score;
`parts`, `evaluate` and `reliability` measure what the model card states: these need datasets, which the bench reads,
and a build needs none. Nothing here is imported by the server.
"""
