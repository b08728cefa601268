"""The tests: one folder per room, plus end to end with the real server, plus the rules that hold the tree together."""
