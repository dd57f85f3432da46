"""The composition root: which processes make one Vaka, and what each is given."""

from vaka.assemble.copies import Copy as Copy
from vaka.assemble.copies import run as run_copy
from vaka.assemble.copies import serve as serve_copy
from vaka.assemble.place import check_port as check_port
from vaka.assemble.place import directory as directory
from vaka.assemble.record import backup_source as backup_source
from vaka.assemble.record import swap_in as swap_in
from vaka.assemble.start import API_SILENT_MAX_S as API_SILENT_MAX_S
from vaka.assemble.start import DATABASE_WAIT_S as DATABASE_WAIT_S
from vaka.assemble.start import EMBEDDED_WAIT_S as EMBEDDED_WAIT_S
from vaka.assemble.start import Start as Start
from vaka.assemble.start import serve as serve
from vaka.assemble.start import up as up
from vaka.assemble.start import wait_s as wait_s

__all__ = ["run_copy", "serve_copy"]
