"""Signal in, numbers out: pure functions and small explicit states, no input or output of their own."""
