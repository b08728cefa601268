"""The HTTP routes: those that rank and score (`ranking.py`), and those that tell of the server (`state.py`)."""
