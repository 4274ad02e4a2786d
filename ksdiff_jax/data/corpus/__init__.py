"""The built-in corpus: speech synthesised by espeak-ng, with face motion computed from its phonemes
and prosody.
"""
