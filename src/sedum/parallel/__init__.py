"""Worker processes on this machine, and Dask clusters of many machines."""
