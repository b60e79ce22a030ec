# shellcheck shell=sh disable=SC2154
# Runs a command for at most $patience seconds, where the host has `timeout`.
bounded() {
  if ! command -v timeout >/dev/null 2>&1; then
    "$@"
    return
  fi
  timeout "$patience" "$@"
  status=$?
  [ "$status" != 124 ] || printf 'gave up after %s s\n' "$patience"
  return "$status"
}

