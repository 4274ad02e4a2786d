"""The student: our own small speech encoder, trained to give the features of a larger one.

`speech/student.py` contains the encoder, `network` its head, `training` the loss and the rows, and
`teacher` finds the encoder that it learns from. `system` combines them; `config` contains all their
fields. A trained student is a speech encoder like any other: its run is what `model.encoder.path`
of another system names.
"""
