# shellcheck shell=sh disable=SC2154
# Sets $clock, in whole seconds, to tell how long something takes: without a process where the kernel tells.
clock() {
  if { read -r clock _ </proc/uptime; } 2>/dev/null; then clock=${clock%%.*}; else clock=$(date +%s); fi
}

# Runs a command for at most $patience seconds, where the host has `timeout`.
bounded() {
  if ! command -v timeout >/dev/null 2>&1; then
    "$@"
    return
  fi
  clock
  began=$clock
  timeout "$patience" "$@"
  status=$?
  # 124 from coreutils, 143 from busybox.
  case $status in
    124 | 143)
      clock
      [ $((clock - began)) -lt "$patience" ] || printf 'gave up after %s s\n' "$patience"
      ;;
  esac
  return "$status"
}

