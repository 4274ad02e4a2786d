"""KSDiff: speech_paths (§2.1), keyframe_predictor (§2.2) and motion_generator (§2.3). network and
system combine them; config contains all their fields.
"""
