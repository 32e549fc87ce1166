"""What makes a run fail later, found before it does: one file for each thing that is looked at."""
