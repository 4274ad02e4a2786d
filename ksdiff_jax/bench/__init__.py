"""Device measurements: `device` prints the figures, and each other file measures one figure or a
part of it.
"""
