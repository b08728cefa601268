"""The HTTP application: puts the dialects, the engine and the model together behind Litestar's routes."""
