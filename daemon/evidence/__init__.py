"""Clips: kept, described, chained in a ledger, and thrown away in time."""
