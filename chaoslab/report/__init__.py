"""Reports: what a record and its verdict say to an SRE, a CI job and an auditor."""
