"""The report of a posterior catalogue, as one page of HTML."""
