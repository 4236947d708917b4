"""A real OpenSSH server on loopback, for the remotes of `dvc push` and `dvc pull`."""

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
PasswordAuthentication no
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
"""


def missing() -> list[str]:
    """Which of the programs are not installed."""
    found = {"sshd": _sshd(), "ssh-keygen": shutil.which("ssh-keygen")}
    return [name for name, path in found.items() if path is None]


class Server:
    """sshd for this user with a key of its own. port: where it listens; key: the file that opens it."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "user_key"
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        config = folder / "sshd_config"
        config.write_text(_SSHD_CONFIG.format(port=self.port, folder=folder))
        # sshd leaves its privileges in a folder that Debian's service makes.
        with suppress(PermissionError):
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen([_sshd(), "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        for _ in range(100):
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.1)
        raise RuntimeError("sshd did not come up")

    def stop(self) -> None:
        """End it; connections are refused from then on."""
        self._process.terminate()
        self._process.wait()


def _sshd() -> str | None:
    # It must be called by its whole path.
    return shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
