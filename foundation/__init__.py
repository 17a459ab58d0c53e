"""What every floor stands on: the errors, YAML with positions, files written whole."""
