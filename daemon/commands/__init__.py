"""The commands of `heard`, one file to a group. What a command needs is imported when it runs."""
