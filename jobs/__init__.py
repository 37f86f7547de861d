"""The pipeline as plain functions."""

import os

# Matrices are small here, and threads of OpenBLAS wait for each other busily. numpy reads this when
# it is loaded, so it is set before any module of the pipeline.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
