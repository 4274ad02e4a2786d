"""Coefficients that another tool has extracted, to clips.

layouts.py        which tool writes which keys, and what they mean
arrays.py         npz, npy, pkl, pth and mat files to named arrays, without running anything in them
frames.py         one dictionary per frame to arrays of all frames
coefficients.py   named arrays to `Coefficients`, checked
clip.py           a coefficient file and its sound to clips
"""
