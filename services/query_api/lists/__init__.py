"""Lists of models: filtered, sorted, searched, in pages."""
