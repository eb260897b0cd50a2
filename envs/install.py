"""Run `uv pip install` with what pip is configured to use: uv reads neither pip.conf nor PIP_* variables.

Called by `make install` with the Python of .venv, in which pip has installed uv. Flags of uv go through.
"""

import ast
import os
import re
import subprocess
import sys

# key of pip -> flag of uv; a key may hold several values
FLAGS = {
    "index-url": "--index-url",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
VARIABLES = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "timeout": "UV_HTTP_TIMEOUT"}
SECTIONS = ("global", "install", ":env:")  # a later one goes before an earlier one


def configured(listed: str) -> dict[str, str]:
    """Settings by key, from what `pip config list` prints.

    >>> configured("global.timeout='60'\\n:env:.default-timeout='180'\\ndownload.cert='x'")
    {'timeout': '180'}
    """
    found: dict[str, tuple[int, str]] = {}
    for section, key, value in re.findall(r"^(\w+|:env:)\.([\w-]+)=(.*)$", listed, re.M):
        key = key.removeprefix("default-")
        rank = SECTIONS.index(section) if section in SECTIONS else -1
        if rank >= found.get(key, (0, ""))[0]:
            found[key] = rank, ast.literal_eval(value)
    return {key: value for key, (_, value) in found.items()}


def command(settings: dict[str, str]) -> list[str]:
    """The flags that say to uv where pip looks for packages.

    >>> command({"extra-index-url": "https://a/simple https://b/simple", "no-index": "true"})
    ['--index-strategy', 'unsafe-best-match', '--extra-index-url', 'https://a/simple', '--extra-index-url', \
'https://b/simple', '--no-index']
    """
    flags = ["--index-strategy", "unsafe-best-match"]  # like pip, look in all indexes; hashes hold what is taken
    for key, flag in FLAGS.items():
        for value in settings.get(key, "").split():
            flags += [flag, value]
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        flags.append("--no-index")
    return flags


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Certificates, timeout and proxy; what is set for uv itself goes first.

    >>> environment({"cert": "/ca.pem", "proxy": "http://p:3128"})
    {'HTTPS_PROXY': 'http://p:3128', 'HTTP_PROXY': 'http://p:3128', 'SSL_CERT_FILE': '/ca.pem'}
    """
    found = {name: settings["proxy"] for name in ("HTTPS_PROXY", "HTTP_PROXY") if "proxy" in settings}
    return found | {name: settings[key] for key, name in VARIABLES.items() if key in settings}


def main() -> int:
    """Install, and return uv's exit code."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    settings = configured(listed)
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    return subprocess.run(
        [*install, *command(settings), *sys.argv[1:]], env=environment(settings) | os.environ
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
