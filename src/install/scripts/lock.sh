# shellcheck shell=sh disable=SC2154
# Holds the host for one rollout until standard input ends. Setting: who.
text=$( (umask 022 && mkdir -p "$directory") 2>&1) || { reason "$text"; fail unwritable "$directory"; }
text=$( (umask 077 && : >>"$lock") 2>&1) || { reason "$text"; fail unwritable "$directory"; }

if command -v flock >/dev/null 2>&1; then
  exec 9>>"$lock"
  if ! flock -n 9; then
    say "busy $(one_line "$(head -n 1 "$lock")")"
    exit 75
  fi
  printf '%s\n' "$who" >"$lock"
  say locked
  # Descriptor 9 lives as long as cat does; some shells would close it for a program they start.
  exec cat >/dev/null 9>&9
fi

# No flock: a symbolic link says who holds it, since ln -s is atomic together with what it says.
# The process's start time tells it from a later process with the same number.
born() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${line##*) }
  printf '%s' "${20}"
}
mine="$$ $(born $$) $who"
tries=0
until ln -s "$mine" "$lock.held" 2>/dev/null; do
  held=$(readlink "$lock.held")
  process=${held%% *}
  rest=${held#* }
  if [ -n "$held" ] && [ "$(born "$process")" = "${rest%% *}" ]; then
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
