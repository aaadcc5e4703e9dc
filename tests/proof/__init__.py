"""The proof of the state machine: the real pipeline in every order of a few events, a fault at every point."""
