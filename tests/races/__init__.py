"""Races of `act`: seeded and exhaustive, with kills, lost replies, brakes and other pods, against the lab."""
