"""Where shards of work run: on threads of this process or on Dask workers."""
