"""The HTTP routes: ranking and scoring (`ranking.py`), and the state of the server (`state.py`)."""
