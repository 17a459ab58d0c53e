"""Voice satellites that a sound is to wake: what they hear, and nobody else is told of."""
