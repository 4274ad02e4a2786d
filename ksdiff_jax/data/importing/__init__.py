"""Imports coefficients that another tool has extracted as clips.

layouts.py        the keys that each tool writes, and their meaning
arrays.py         npz, npy, pkl, pth and mat files to named arrays, without executing their content
frames.py         one dictionary per frame to arrays of all frames
arkit_files.py    recordings of ARKit's 52 weights: Live Link Face, Audio2Face, our exports
coefficients.py   named arrays to `Coefficients`, checked
clip.py           a coefficient file and its sound to clips
"""
