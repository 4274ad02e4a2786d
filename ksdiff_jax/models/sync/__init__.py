"""The lip-sync model in parameter space (DisentTalk Eq. 10): two encoders of windows of one second.

`network` contains the encoders, `training` the pairs and the loss, `expert` the interface for other
systems and the evaluation. `system` combines them; `config` contains all their fields.
"""
