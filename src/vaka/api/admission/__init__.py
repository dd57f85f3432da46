"""Who is let in when all come at once, at journal and copy alike (continuity.md, Overload)."""

from vaka.api.admission.admission import Admission, Shed, shed
from vaka.api.admission.classes import CARRIED, EXEMPT, Class, carried
from vaka.api.admission.ladder import Step
from vaka.api.admission.shared import Shared

__all__ = ["CARRIED", "EXEMPT", "Admission", "Class", "Shared", "Shed", "Step", "carried", "shed"]
