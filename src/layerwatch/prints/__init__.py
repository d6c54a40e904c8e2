"""What people see of a print: its labels, and what its printer reports. No verdict depends on any of it."""

from layerwatch.prints.labels import PrintLabels
from layerwatch.prints.progress import PrintProgress
from layerwatch.prints.service import PrintRegister

__all__ = ["PrintLabels", "PrintProgress", "PrintRegister"]
