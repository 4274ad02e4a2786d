"""The tracking of faces in raw video.

video.py     frames by the video's own clock, shots between scene cuts
tracker.py   faces and 478 landmarks of a picture, by MediaPipe in another environment
follow.py    one face through a shot: found, followed, cropped, its landmarks frame by frame
speaker.py   does the mouth move with the sound, and how late is the sound
"""
