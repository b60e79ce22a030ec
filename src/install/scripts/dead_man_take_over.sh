# shellcheck shell=sh disable=SC2154
# The switch's time has come: a step of its certificate that still runs is ended. Nobody waits for it.

# Sets $holder: the process of that step, where it still has the lock's file open; and $hanging: that one, and the commands that it
# left running. A process that came to a number later began at another time.
find_hanging() {
  holder=
  hanging=
  at=step
  # After a boot, numbers and times begin anew.
  [ -z "$booted" ] || return 0
  while read -r process start of; do
    [ "$of" = "$name" ] || break
    find_born "$process"
    if [ -n "$born" ] && [ "$born" = "$start" ]; then
      if [ "$at" = step ]; then
        [ ! "/proc/$process/fd/8" -ef "$lock.step" ] || holder=$process
      elif [ "$pgid" = "$process" ]; then
        hanging="$hanging $process"
      fi
    fi
    at=command
  done 2>/dev/null <"$lock.running"
  [ -z "$holder" ] || hanging="$holder $hanging"
}

# Ends them, and all that they began, however they take signals. What is stopped begins nothing more.
end_hanging() {
  all=
  next=$hanging
  while [ -n "$next" ]; do
    for process in $next; do kill -STOP "$process"; done
    all="$all $next"
    next=
    for stat in /proc/[0-9]*/stat; do
      { read -r line <"$stat"; } || continue
      parent=${line##*") "? }
      case " $all " in
        *" ${parent%% *} "*) ;;
        *) continue ;;
      esac
      case " $all $next " in
        *" ${line%% *} "*) ;;
        *) next="$next ${line%% *}" ;;
      esac
    done
  done
  # A command's group as well: what began something else and ended is nobody's parent any more.
  for process in $all; do
    [ "$process" = "$holder" ] || kill -KILL "-$process"
    kill -KILL "$process"
  done
}

is_free() {
  if command -v flock >/dev/null 2>&1; then
    flock -n 8
  else
    find_hanging
    [ -z "$holder" ]
  fi
}

# One step at a time, this one before the others: a step of this certificate may come to its end within three seconds. One of another
# certificate is not ended, and waited for.
take_over() {
  own_file "$lock.step" 2>/dev/null || return 0
  exec 8>>"$lock.step"
  seen=
  waited=0
  until is_free; do
    find_hanging
    if [ "$holder" != "$seen" ]; then
      seen=$holder
      waited=0
    fi
    [ "$waited" -lt 3 ] || [ -z "$holder" ] || ! armed || end_hanging 2>/dev/null
    waited=$((waited + 1))
    sleep 1
  done
  # A step that was killed may have left a command.
  find_hanging
  [ -z "$hanging" ] || end_hanging 2>/dev/null
  note_step
}
