"""The built-in corpus: speech that espeak-ng speaks, with face motion computed from its phonemes
and prosody.
"""
