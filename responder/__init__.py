"""Investigates "Launch Code Compiler Tool In Container" findings on GKE and writes down what was found."""

__version__ = "0.1.0"
