# shellcheck shell=sh disable=SC2034,SC2154
# Sets $guard: who puts back what nobody confirmed. `process`: the one that waits; `boot`: that one is gone, and the boot
# unit does it; `nobody`. The switch's first line: LINE
find_guard() {
  guard=nobody
  find_token "$1"
  holder=
  { read -r holder <"$switch~on"; } 2>/dev/null
  if [ "${holder% *}" = "$armed_token" ] && runs_switch "${holder#* }" 2>/dev/null; then
    guard=process
    return
  fi
  find_boot_file "$armed_token"
  if [ -n "$boot_file" ] && [ -L "$wanted" ]; then guard=boot; fi
}
# Its number may be another process's since: PROCESS
runs_switch() { tr '\0' '\n' <"/proc/$1/cmdline" | grep -qxF -e "$switch"; }
