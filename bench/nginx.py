"""nginx with files, to measure beside: one worker, the usual settings of its manual for static files, on one core.

Only figures need it; it is no part of Vaka.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psutil
from bench.place import API_CORE, pin
from bench.running import free_port

from vaka.errors import Setup

START_MAX_S: Final = 10.0
# sendfile, tcp_nopush, a cache of open files, no log: nothing that a static file could be spared. gzip is off: what was packed
# beforehand is a file as any other.
_CONFIG: Final = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; multi_accept on; }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_timeout 75; keepalive_requests 1000000000;
    open_file_cache max=20000 inactive=600s; open_file_cache_valid 600s;
    client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
    uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
    default_type application/json; gzip off;
    server {{ listen 127.0.0.1:{port} backlog=1024; root {folder}/files; {headers} }}
}}
"""


@contextmanager
def nginx(files: Mapping[str, bytes], headers: Mapping[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    """Serves ``files`` by address, each with ``headers``; its port and the worker. Setup where it is not installed."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        raise Setup("nginx is not installed, and this figure is measured against it", help="apt-get install nginx")
    folder = Path(tempfile.mkdtemp(prefix="vaka-bench-nginx-"))
    folder.chmod(0o755)  # its worker is another user
    process: subprocess.Popen[bytes] | None = None
    try:
        for address, content in files.items():
            path = folder / "files" / address.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        port = free_port()
        told = " ".join(f'add_header {name} "{value}";' for name, value in headers.items())
        (folder / "nginx.conf").write_text(_CONFIG.format(folder=folder, port=port, headers=told))
        process = subprocess.Popen([binary, "-c", str(folder / "nginx.conf")])  # nosec B603  found on the path, our own settings
        worker = _started(process, f"http://127.0.0.1:{port}{next(iter(files))}")
        if (os.cpu_count() or 1) > 1:
            for one in (psutil.Process(process.pid), worker):
                pin(one.pid, API_CORE)
        yield port, worker
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _started(process: subprocess.Popen[bytes], url: str) -> psutil.Process:
    """Its one worker, once it answers. RuntimeError if it does not."""
    deadline = time.monotonic() + START_MAX_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                (worker,) = psutil.Process(process.pid).children()
                return worker
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("nginx did not start")
