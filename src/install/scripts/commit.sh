# shellcheck shell=sh disable=SC2154
# Makes the live version final: the dead-man switch is disarmed, the archive pruned. Settings: committed (the
# version), back (yes: the host was sent back to it), keep, previous (may be empty), verified (the versions that the history is to begin with, where it is too long
# as it is; else empty).
begin

count=0
count_version() { count=$((count + 1)); }
each_version count_version

# Sets $counted: the versions that were verified here and not gone back from, oldest first, each between spaces. What a line
# of the history says: LINE
take_in() {
  of=${1#?}
  case $1 in
    [+=\<][0-9]*T[0-9]*Z-????????*) ;;
    *) return 0 ;;
  esac
  case $1:$counted in
    [=\<]*:*" $of "*)
      counted="${counted%" $of "*} $of "
      return 0
      ;;
    \<*:*' '?*)
      counted=${counted% *}
      counted="${counted% *} "
      ;;
  esac
  case $counted in
    *" $of ") ;;
    *) counted="$counted$of " ;;
  esac
}
counted=' '
way_back=
if [ "$count" -gt "$keep" ]; then
  while IFS= read -r line; do take_in "$line"; done 2>/dev/null <"$history"
  if [ "$back" = yes ]; then take_in "<$committed"; else take_in "+$committed"; fi
  # What the host goes back to from now on.
  for one in $counted; do
    [ "$one" = "$committed" ] || [ ! -s "$archive/$one/.manifest" ] || way_back=$one
  done
fi
# What was not verified goes first, then the oldest.
pruned=
prune() {
  [ "$count" -gt "$keep" ] || return 0
  case $1 in
    "$committed" | "$previous" | "$way_back") return ;;
  esac
  case "$pruned " in
    *" $1 "*) return ;;
  esac
  pruned="$pruned $1"
  count=$((count - 1))
}
prune_unverified() {
  case $counted in
    *" $1 "*) ;;
    *) prune "$1" ;;
  esac
}
each_version prune_unverified
each_version prune

# Calls COMMAND with the versions that are too many, and with what steps left, this one and those that were killed: one
# process removes it all. A version that is there in part does not fit its manifest, and is removed the next time.
with_leftovers() {
  for path in "$switch"~* "$directory/.rehearsal" "$archive"/.*.partial.* "$live_folder/.$name~"*; do
    { [ ! -e "$path" ] && [ ! -L "$path" ]; } || set -- "$@" "$path"
  done
  for one in $pruned; do set -- "$@" "$archive/$one"; done
  "$@"
}
tidy() { [ $# = 0 ] || rm -rf "$@"; }

# Without flock, the switch may be firing right now.
firing() {
  [ -e "$switch~firing" ] && ! command -v flock >/dev/null 2>&1 &&
    { read -r line <"$switch~on"; } 2>/dev/null && kill -0 "${line#* }" 2>/dev/null
}
is_live() { { [ -L "$live" ] && [ "$live" -ef "$archive/$committed" ]; } 2>/dev/null; }

# Written before the switch is taken away: nothing may be final without it.
remember() {
  [ -z "$verified" ] || {
    (umask 077 && for one in $verified; do printf '+%s\n' "$one"; done >"$history~new") &&
      flush "$history~new" && mv -f "$history~new" "$history"
  } || return 1
  if [ "$back" = yes ]; then note "<$committed"; else note "+$committed"; fi
}
remember_or_fail() {
  if text=$(remember 2>&1); then
    noted=$history
    return
  fi
  reason "$text"
  [ ! -e "$switch" ] || fail armed "$switch"
  # Without a history, what is live counts as final.
  rm -f "$history"
  fail unwritable "$archive"
}
if is_live; then remember_or_fail; fi

# A switch that was taken away does not fire, and nothing else that could change the host is under way. Without either, it
# is waited for.
if [ "$alone" = yes ] && is_live; then with_leftovers disarm || fail armed "$switch"; fi
tidied=$disarmed
if [ "$disarmed" = no ]; then
  one_at_a_time
  disarm || fail armed "$switch"
fi
current=$committed
is_live || find_current
if firing || [ "$current" != "$committed" ]; then
  [ -z "$noted" ] || [ -z "$current" ] || note "=$current"
  fail undone "$current"
fi
[ -n "$noted" ] || remember_or_fail
[ "$disarmed" = yes ] || flush "$directory" "$live_folder" ${noted:+"$noted"}
[ "$tidied" = yes ] || attempt with_leftovers tidy || { reason "$text"; fail unwritable "$archive"; }
each_link drop_draft
each_copy drop_draft
for one in $pruned; do say "pruned $one"; done
# An upload of a connection that was lost before has long come to its end.
! command -v flock >/dev/null 2>&1 || over=3
show_old yes
say result committed
