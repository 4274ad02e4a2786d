"""Measuring a device: `device` prints the figures, the other files hold one figure or a part of it
each.
"""
