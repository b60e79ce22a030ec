# shellcheck shell=sh disable=SC2034
# Sets $keeper: `system`, root's systemd; `user`, the user's own systemd, which lasts where it lingers (loginctl(1));
# `session`, where systemd ends what a login started (`KillUserProcesses=yes` in logind.conf(5)); `none`, a host that systemd
# does not run (sd_booted(3)).
find_keeper() {
  keeper=none
  [ -d /run/systemd/system ] || return 0
  keeper=session
  if [ -O /proc/sys ]; then
    keeper=system
  elif command -v systemd-run >/dev/null && [ -e "/var/lib/systemd/linger/$(id -un)" ]; then
    keeper=user
  fi
}
