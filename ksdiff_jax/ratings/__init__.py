"""Ratings of videos by people, as in the paper's Table 2: a page that participants open, and mean
opinion scores from what they send back.
"""
