"""Reading what is published: queries, the state of the pipeline, verdicts on quality."""
