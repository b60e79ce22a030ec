# shellcheck shell=sh disable=SC2154
# Holds the host for one rollout until standard input ends. Setting: who.
text=$( (umask 022 && mkdir -p "$directory") 2>&1) || { reason "$text"; fail unwritable "$directory"; }
text=$( (umask 077 && : >>"$lock") 2>&1) || { reason "$text"; fail unwritable "$directory"; }

# A process's start time tells it from a later process with the same number.
born() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${line##*) }
  printf '%s' "${20}"
}

# A rollout has one connection to this host: an earlier one that still holds the lock was lost on the way, though
# nobody told this host. It is ended. WHO PROCESS BORN
evict() {
  [ "${1%% by *}" = "${who%% by *}" ] && [ -n "$3" ] && [ "$(born "$2")" = "$3" ] && kill -9 "$2" 2>/dev/null
}

if command -v flock >/dev/null 2>&1; then
  exec 9>>"$lock"
  holder=
  tries=0
  until flock -n 9; do
    { read -r holder && read -r process start; } 2>/dev/null <"$lock" || start=
    tries=$((tries + 1))
    if [ "$tries" -lt 100 ] && evict "$holder" "$process" "$start"; then
      sleep 0.05 2>/dev/null || sleep 1
    elif ! flock -n 9; then
      say "busy $(one_line "$holder")"
      exit 75
    fi
  done
  printf '%s\n%s %s\n' "$who" $$ "$(born $$)" >"$lock"
  say locked
  # Descriptor 9 lives as long as cat does; some shells would close it for a program they start.
  exec cat >/dev/null 9>&9
fi

# No flock: a symbolic link says who holds it, since ln -s is atomic together with what it says.
mine="$$ $(born $$) $who"
tries=0
until ln -s "$mine" "$lock.held" 2>/dev/null; do
  held=$(readlink "$lock.held")
  process=${held%% *}
  rest=${held#* }
  start=${rest%% *}
  if [ -n "$held" ] && [ "$(born "$process")" = "$start" ] && ! evict "${rest#* }" "$process" "$start"; then
    say "busy $(one_line "${rest#* }")"
    exit 75
  fi
  # Its holder is gone. Only one of several takers can rename it away.
  mv -f -T "$lock.held" "$lock.stale.$$" 2>/dev/null && rm -f "$lock.stale.$$"
  tries=$((tries + 1))
  [ "$tries" -lt 10 ] || fail unwritable "$directory"
done
trap 'rm -f "$lock.held"' EXIT
trap 'exit 1' HUP INT TERM PIPE
say locked
cat >/dev/null
