"""`python -m daemon` is `heard`."""

from __future__ import annotations

from daemon.cli import main

main()
