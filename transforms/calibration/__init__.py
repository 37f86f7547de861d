"""Fits of predictions to what was realised.

Belongs here: the fits themselves, the features they use, and their intervals. Does not belong
here: the ledger whose exposures are fitted (``transforms.ledger``), how a fit is scored out of
sample (``transforms.skill``), and where a fit is stored.

Every fit is a frozen record with a ``FitStatus``. Where there is nothing to fit, the record says
why and its parameters are NaN, so that predictions made from it are NaN too.
"""
