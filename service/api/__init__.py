"""The HTTP application: connects the dialects, the engine and the model behind Litestar's routes."""
