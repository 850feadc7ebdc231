"""What all pages of the admin share: the site, large tables, dates, and outcomes."""
