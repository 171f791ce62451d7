"""Values that are not finite: how many, where they were made, what is raised."""
