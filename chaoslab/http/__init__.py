"""HTTP: an open-loop prober and the probes that judge its samples."""
