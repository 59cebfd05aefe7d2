"""What a worker does because it runs in a pod: it says how it stands, shares the venue with other pods, and minds mounted files."""
