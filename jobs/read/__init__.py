"""Reading published data: queries, the state of the pipeline, quality grades."""
