"""Recorded speech with phone times, from anyone: labels of the articulation on real acoustics."""
