# shellcheck shell=sh disable=SC2154
# Runs a command for at most $patience seconds, where the host has `timeout`.
bounded() {
  if ! command -v timeout >/dev/null 2>&1; then
    "$@"
    return
  fi
  began=$(date +%s)
  timeout "$patience" "$@"
  status=$?
  # 124 from coreutils, 143 from busybox.
  case $status in
    124 | 143) [ $(($(date +%s) - began)) -lt "$patience" ] || printf 'gave up after %s s\n' "$patience" ;;
  esac
  return "$status"
}

