"""KSDiff: speech_paths (§2.1), keyframe_predictor (§2.2), motion_generator (§2.3); network and
system join them, config has all their fields.
"""
