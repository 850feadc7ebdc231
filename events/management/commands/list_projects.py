"""Lists the projects."""

from typing import Any

from config.building_blocks.command import ServiceCommand
from projects.models import Project


class Command(ServiceCommand):
    help = "List the projects: number, slug, name, time zone."

    def handle(self, *args: Any, **options: Any) -> None:
        for project in Project.objects.exclude(slug=None).order_by("pk"):
            end = "" if project.deleted_at is None else " (is being deleted)"
            self.stdout.write(
                f"{project.pk}\t{project.slug}\t{project.name}\t{project.time_zone}{end}"
            )
