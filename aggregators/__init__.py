"""Pure rules: how the results of branches become one answer."""
