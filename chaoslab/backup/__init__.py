"""Backups of a fleet: taken, uploaded, kept as long as the policy says, and watched for their age."""
