# shellcheck shell=sh disable=SC2154
# Leaves a line in the host's own log, where there is one: LEVEL (of syslog) TEXT. At a boot ($booted), systemd takes what is
# printed.
log() {
  message="certificate $name: $2"
  if [ -n "$booted" ]; then
    printf '%s\n' "$message (at boot, before servers start)"
    return
  fi
  {
    if command -v logger; then
      logger -t certwave -p "daemon.$1" -- "$message"
    elif command -v systemd-cat; then
      printf '%s\n' "$message" | systemd-cat -t certwave -p "$1"
    fi
  } >/dev/null 2>&1 </dev/null
}
