"""Programs that write parts of the documentation: tables from the code, charts from the samples in `results/`."""
