#!/usr/bin/env bash
# Installs the ssh server that tests/test_remote.py starts on the loopback address. Only in a Debian-like container, as
# root: elsewhere the package would start a service that nobody asked for, and that test is skipped with the reason.
set -euo pipefail

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
if ! [ -x /usr/sbin/sshd ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server openssh-client >/dev/null
fi
# Where it gives up its rights, which its service makes otherwise.
mkdir -p /run/sshd
