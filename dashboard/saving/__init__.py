"""Views of pages that a project keeps under a name: on dashboards, and shared by links that end."""
