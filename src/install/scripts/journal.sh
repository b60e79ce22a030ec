# shellcheck shell=sh disable=SC2034,SC2154
# What systemd's journal has of a server's unit since a step began, or ran its last command.

# Sets $unit, by what systemd keeps the process in: PROCESS
find_unit() {
  unit=
  while read -r line; do
    path=${line#*:*:}
    case $path in
      *.service/*) path=${path%.service/*}.service ;;
      *.service) ;;
      *) continue ;;
    esac
    unit=${path##*/}
  done 2>/dev/null <"/proc/${1:-none}/cgroup"
}
# The same of a unit that does not run, by the command that reloads or restarts it: COMMAND
find_named_unit() {
  unit=
  before=
  set -f
  for word in $1; do
    case $before:$word in
      *systemctl*:-*) continue ;;
      *systemctl:*) word=systemctl-verb ;;
      systemctl-verb:*) unit=$word ;;
    esac
    before=$word
  done
  set +f
}
show_journal() {
  [ -n "$unit" ] && command -v journalctl >/dev/null 2>&1 || return 0
  since=$(stat -c %Y "$lock.running" 2>/dev/null) || return 0
  set -- journalctl --quiet --no-pager --output=cat --lines=20 --unit="$unit" --since="@$since"
  ! command -v timeout >/dev/null 2>&1 || set -- timeout 3 "$@"
  "$@" 2>/dev/null
}
