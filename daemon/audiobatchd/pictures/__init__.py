"""Pictures of values, drawn as SVG without any library: for the report, and for pages.

It owns their form: scales, ticks, labels, and what a screen reader is told. Colours come from the style sheet of the
page that they stand in, by the classes `bar`, `axis`, `grid`, `cell` and `label`.
"""
