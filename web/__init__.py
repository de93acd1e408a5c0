"""The map over HTTP: questions to a store, answered as JSON, CSV, SVG and DOT; and the page."""
