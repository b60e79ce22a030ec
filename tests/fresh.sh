#!/bin/sh
# Runs the README's commands as a newcomer would: as an ordinary user with sudo, on a Debian that has nothing but git,
# sudo and ca-certificates. What the machine itself has installed is not seen there.
#
#   tests/fresh.sh SUITE            the README's first command: install, build, demo
#   tests/fresh.sh SUITE --tests    the README's second command: install, build, all tests
#   tests/fresh.sh SUITE --debug    the first command as a debug build, which takes two minutes
#   tests/fresh.sh SUITE --run CMD  any other command, in the clone
#
# SUITE is a Debian suite (bookworm, trixie). The last commit is what is tried. Needs root, debootstrap and git.
# The toolchain, cargo's registry and the target folder come from outside; no installed package does.
# CERTWAVE_FRESH names the folder that is kept between runs (default: ~/.cache/certwave/fresh).
set -eu

suite=${1:?usage: tests/fresh.sh bookworm|trixie [--tests|--debug|--run COMMAND]}
mode=${2:-}
fail() {
  echo "fresh: $1" >&2
  exit 1
}
case $mode in '' | --tests | --debug | --run) ;; *) fail "unknown option $mode" ;; esac
[ "$(id -u)" = 0 ] || fail "run this as root: it makes a Debian tree and mounts folders into it"
checkout=$(cd "$(dirname "$0")/.." && pwd)
kept=${CERTWAVE_FRESH:-$HOME/.cache/certwave/fresh}
base=$kept/$suite.base tree=$kept/$suite.tree target=$kept/$suite.target
home=$tree/home/newcomer

# In a mount and process namespace of its own: mounts and servers end with it, however it ends.
inside() {
  mount --bind "$tree" "$tree"
  mount -t proc proc "$tree/proc"
  mount -t sysfs -o ro sysfs "$tree/sys"
  mount --rbind /dev "$tree/dev"
  mount -t tmpfs tmpfs "$tree/run"
  hostname fresh
  for folder in "$(cd "$checkout" && rustc --print sysroot)=$home/toolchain" \
    "${CARGO_HOME:-$HOME/.cargo}/registry=$home/.cargo/registry"; do
    mount --bind "${folder%%=*}" "${folder#*=}"
    mount -o remount,bind,ro "${folder#*=}"
  done
  mount --bind "$target" "$home/target"
  # shellcheck disable=SC2086
  exec chroot --userspec=newcomer --groups=newcomer "$tree" env -i \
    HOME=/home/newcomer USER=newcomer LOGNAME=newcomer SHELL=/bin/bash TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    PATH=/home/newcomer/toolchain/bin:/usr/local/bin:/usr/bin:/bin \
    CARGO_TARGET_DIR=/home/newcomer/target CARGO_NET_OFFLINE=true ${PIP_CERT:+PIP_CERT=$PIP_CERT} \
    sh -c "cd ~/certwave && $CERTWAVE_FRESH_COMMAND"
}
if [ -n "${CERTWAVE_FRESH_COMMAND:-}" ]; then inside; fi

# The minimal tree is made once, and copied for each run.
if [ ! -e "$base/made" ]; then
  rm -rf "$base"
  mkdir -p "$base"
  debootstrap --variant=minbase --include=git,sudo,ca-certificates "$suite" "$base" >"$kept/$suite.log" ||
    fail "debootstrap failed: $(tail -n 3 "$kept/$suite.log")"
  : >"$base/made"
fi
rm -rf "$tree"
trap 'rm -rf "$tree"' EXIT
cp -a "$base" "$tree"
cp /etc/resolv.conf "$tree/etc/resolv.conf"
echo "127.0.0.1 localhost fresh" >"$tree/etc/hosts"
# A network whose proxy has a certificate authority of its own: the machine trusts it, so the tree has to.
if [ -d /usr/local/share/ca-certificates ]; then
  cp -R /usr/local/share/ca-certificates "$tree/usr/local/share/"
  chroot "$tree" update-ca-certificates >/dev/null 2>&1
fi
chroot "$tree" useradd --create-home --shell /bin/bash newcomer
echo "newcomer ALL=(ALL) NOPASSWD: ALL" >"$tree/etc/sudoers.d/newcomer"

mkdir -p "$home/.cargo/registry" "$home/toolchain" "$home/target" "$target"
(cd "$checkout" && cargo fetch --quiet --locked)
git clone --quiet --no-hardlinks "$checkout" "$home/certwave"
newcomer=$(chroot "$tree" id -u newcomer)
chown -R "$newcomer:$newcomer" "$home" "$target"

# The commands are the README's, word for word.
commands=$(grep '^sh tests/setup.sh' "$checkout/README.md")
case $mode in
  '') command=$(echo "$commands" | sed -n 1p) ;;
  --tests) command=$(echo "$commands" | sed -n 2p) ;;
  --debug) command=$(echo "$commands" | sed -n '1s/ --release//p') ;;
  --run) command=${3:-} ;;
esac
[ -n "$command" ] || fail "there is no command to run"
echo "fresh: $suite: $command"
CERTWAVE_FRESH_COMMAND=$command unshare --mount --uts --pid --fork --kill-child sh "$0" "$suite" "$mode"
echo "fresh: $suite: succeeded"
