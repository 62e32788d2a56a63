"""Real processes under load while faults strike; a checker decides afterwards whether the invariants held."""
