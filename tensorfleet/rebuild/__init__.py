"""Makes the read models anew from the log, beside the live ones: to replace them, or to compare them."""
