# shellcheck shell=sh disable=SC2154
# Sets $clock, in whole seconds, to tell how long something takes: without a process where the kernel tells.
clock() {
  if { read -r clock _ </proc/uptime; } 2>/dev/null; then clock=${clock%%.*}; else clock=$(date +%s); fi
}

# Runs a command for at most $patience seconds, in a process group of its own. Then all of that is killed, however it takes
# signals. GNU's `timeout` asks it to end first. busybox's knows one process alone, and not each of them knows `-k`.
bounded() {
  clock
  began=$clock
  # Shells tell of a process that was killed: nobody hears that.
  {
    (
      timer=$(command -v timeout) || timer=
      apart=
      ! command -v setsid >/dev/null || apart=setsid
      if [ -z "$timer" ]; then
        find_born self
        (kill_later "$me" "$born") </dev/null >/dev/null 7>&- 8>&- &
      elif [ -L "$timer" ] || [ ! -f "$timer" ] || [ "$timer" -ef /bin/busybox ]; then
        set -- timeout -s KILL "$patience" "$@"
      else
        set -- timeout -k 2 "$patience" "$@"
        apart=
      fi
      [ -z "${begun:-}" ] || note_command >>"$begun"
      exec $apart "$@" 2>&7 7>&-
    )
    status=$?
  } 7>&2 2>/dev/null
  # 124 where it ended when it was asked to, 137 where it was killed, which is 265 in ksh93.
  case $status in
    124 | 137 | 265)
      clock
      if [ $((clock - began)) -ge "$patience" ]; then
        [ -z "${begun:-}" ] || kill_rest 2>/dev/null
        printf 'gave up after %s s\n' "$patience"
      fi
      ;;
  esac
  return "$status"
}
# Where a shell makes no process of its own for it, as ksh93 does not, it has no number yet.
note_command() { find_born self && [ "$me" = $$ ] || printf '%s %s %s\n' "$me" "$born" "$name"; }
# For a host that has no `timeout`: PROCESS START
kill_later() {
  sleep "$patience"
  find_born "$1"
  [ "$born" != "$2" ] || kill_group "$1" || kill -KILL "$1"
}
# What is left of the group of the last command that was noted.
kill_rest() {
  last=
  while read -r process start _; do last=$process:$start; done <"$begun"
  find_born "${last%:*}"
  [ "${born:-${last#*:}}" != "${last#*:}" ] || kill_group "${last%:*}"
}
# Never that of the shell that attends the host.
kill_group() { [ "$1" != $$ ] && kill -KILL "-$1"; }

