"""Settings to be named on the command line. Only data is here."""
