"""The rules of the running daemon: in force, remembered, written down."""
