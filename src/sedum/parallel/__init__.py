"""Worker processes of this machine, and Dask clusters of many."""
