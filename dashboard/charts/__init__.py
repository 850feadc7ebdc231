"""Charts as numbers for SVG: small functions for scales, lines and bars. Templates draw them."""
