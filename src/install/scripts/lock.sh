# shellcheck shell=sh disable=SC2154
# Holds the host for one rollout until standard input ends. Setting: who.
#
# Until it is held, the first line is the answer: a reason of its own before it would be taken for a greeting of the login shell's.
refuse() { # KIND PATH REASON
  say "refused $1 $2	$(one_line "$3")"
  exit 1
}
refuse_exposed() {
  find_unsafe
  [ -z "$unsafe" ] || refuse unsafe "$unsafe" "$why"
}
refuse_exposed
if [ ! -d "$directory" ]; then
  text=$( (umask 022 && mkdir -p "$directory") 2>&1) || refuse unwritable "$directory" "$text"
  refuse_exposed
fi
own_file "$lock" 2>/dev/null || text=$(own_file "$lock" 2>&1) || refuse unwritable "$directory" "$text"

# A rollout has one connection to this host: an earlier one that still holds the lock was lost on the way, though
# nobody told this host. Its process is ended. WHO PROCESS
evict() { [ "${1%% by *}" = "${who%% by *}" ] && kill -9 "$2" 2>/dev/null; }

if command -v flock >/dev/null 2>&1; then
  exec 9>>"$lock"
  tries=0
  until flock -n 9; do
    holder=
    process=
    { read -r holder && read -r process _; } 2>/dev/null <"$lock"
    tries=$((tries + 1))
    # Who has not said yet who it is, or no longer, has just come or is about to go. A process that has the lock's file
    # open is none that came to its number later. The controller of any other rollout may have died just now: its shell ends
    # with the step that it still does.
    if { [ "$tries" -lt 100 ] &&
      { [ -z "$holder" ] || { [ "/proc/$process/fd/9" -ef "$lock" ] && evict "$holder" "$process"; }; }; } ||
      [ "$tries" -lt 60 ]; then
      sleep 0.05 2>/dev/null || { sleep 1; tries=$((tries + 19)); }
    elif ! flock -n 9; then
      say "busy $(one_line "${holder:-it does not say who it is}")"
      exit 75
    fi
  done
  # Whoever came to an end alone left nothing in it, and nothing that still runs.
  alone=yes
  [ ! -s "$lock" ] || alone=no
  printf '%s\n%s\n' "$who" $$ >"$lock"
else
  alone=no
  # A symbolic link says who holds it, since ln -s is atomic together with what it says.
  find_born $$
  mine="$$ $born $who"
  tries=0
  until ln -s "$mine" "$lock.held" 2>/dev/null; do
    held=$(readlink "$lock.held")
    process=${held%% *}
    rest=${held#* }
    start=${rest%% *}
    find_born "${process:-0}"
    if [ -n "$held" ] && [ "$born" = "$start" ] && ! { [ -n "$born" ] && evict "${rest#* }" "$process"; }; then
      say "busy $(one_line "${rest#* }")"
      exit 75
    fi
    # Its holder is gone. Only one of several takers can rename it away.
    mv -f -T "$lock.held" "$lock.stale.$$" 2>/dev/null && rm -f "$lock.stale.$$"
    tries=$((tries + 1))
    [ "$tries" -lt 10 ] || refuse unwritable "$directory" 'its lock cannot be taken'
  done
  trap 'rm -f "$lock.held"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
fi
case $input_log:$output_log in
  off:off) say locked ;;
  *) say "locked $input_log $output_log" ;;
esac
