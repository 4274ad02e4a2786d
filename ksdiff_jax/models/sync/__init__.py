"""The lip-sync model in parameter space (DisentTalk Eq. 10): two encoders of windows of one second.

`network` has the encoders, `training` the pairs and the loss, `expert` what other systems and the
evaluation use; `system` joins them, `config` has all their fields.
"""
