"""The process: sources, pipeline, evidence, history, actions, commands."""
