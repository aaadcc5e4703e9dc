"""Step 5: what was compiled, taken out of the running container, with custody."""
