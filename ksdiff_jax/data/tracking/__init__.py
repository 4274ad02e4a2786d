"""The tracking of faces in raw video.

video.py     frames with the video's own times, shots between scene cuts tracker.py   faces and 478
landmarks of a picture, by MediaPipe in another environment follow.py    one face through a shot:
detected, tracked, cropped, its landmarks frame by frame speaker.py   tests whether the mouth moves
with the sound, and measures their offset
"""
