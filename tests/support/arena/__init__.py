"""What the arena's tests share: a toy field of contestants, a chat endpoint, results folders."""
