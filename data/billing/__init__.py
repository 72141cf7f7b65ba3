"""Bills: FOCUS 1.0 to 1.4 and the legacy AWS Cost and Usage Report, as tables of the lake."""
