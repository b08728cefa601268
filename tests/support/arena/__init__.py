"""What the arena's tests share: toy entrants, a chat endpoint, results folders."""
