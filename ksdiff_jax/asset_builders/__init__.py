"""Programs that computed files in `assets/`. Nothing that runs imports them.

assets/face/head.npz:       `python -m ksdiff_jax.asset_builders.head`
assets/face/landmarks.npz:  `python -m ksdiff_jax.asset_builders.head_landmarks`, with the tracker
"""
