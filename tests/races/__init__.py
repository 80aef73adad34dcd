"""Many real processes refresh one login: races, signals, and full disks."""
