"""Takes commands, owns partitions of the log, appends events and answers when it has read them back."""
