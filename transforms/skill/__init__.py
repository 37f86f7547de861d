"""How right the models are: realised liquidations held against predicted ones, out of sample.

Belongs here: what is compared (``panel``), the figures (``scores``, ``consistency``,
``reliability``), their intervals (``bootstrap``), the nulls (``nulls``) and the protocol
(``evaluate``). Does not belong here: fits of parameters (``transforms.calibration``), the models.
"""
