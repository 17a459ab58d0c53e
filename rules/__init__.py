"""Rules in the vocabulary of Home Assistant: their model, their YAML, and the pure engine that runs them."""
