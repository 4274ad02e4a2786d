"""The motion stage of FD2Talk (§3.2, §3.4.1): parts (what each transformer generates), transformer
(the Exp and the Pose Transformer, Eq. 4), network, training (Eq. 8-12), sampling (Eq. 5) and
system; config contains all fields, and ablations lists the rows of Tables 2 and 3 of this stage.
"""
