"""How the daemon learns: teaching, marks, promises, and the profiles in force."""
