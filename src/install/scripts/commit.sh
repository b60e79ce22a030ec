# shellcheck shell=sh disable=SC2154
# Makes the live version final: the dead-man switch is disarmed, the archive pruned. Settings: committed (the
# version), keep, previous (may be empty).
printf '\n'
begin
one_at_a_time

# Without flock, the switch may be firing right now.
firing() {
  [ -e "$switch~firing" ] && ! command -v flock >/dev/null 2>&1 &&
    { read -r line <"$switch~on"; } 2>/dev/null && kill -0 "${line#* }" 2>/dev/null
}
disarm || fail armed "$switch"
find_current
if firing || [ "$current" != "$committed" ]; then fail undone "$current"; fi
remove_draft() {
  link_draft "$1"
  [ ! -L "$draft" ] || rm -f "$draft"
}
each_link remove_draft

count=0
count_version() { count=$((count + 1)); }
each_version count_version
prune() {
  [ "$count" -gt "$keep" ] || return 0
  case $1 in
    "$committed" | "$previous") return ;;
  esac
  # Renamed first, so that a version is there as a whole or not at all.
  text=$(mv -f -T "$archive/$1" "$archive/.$1.pruned" 2>&1) || { reason "$text"; fail unwritable "$archive"; }
  say "pruned $1"
  count=$((count - 1))
}
each_version prune

# What steps left, this one and those that were killed, by one process.
set --
for path in "$switch"~* "$directory/.rehearsal" "$directory"/.output.* "$archive"/.*.partial.* "$archive"/.*.pruned \
  "$live_folder/.$name.new"; do
  { [ ! -e "$path" ] && [ ! -L "$path" ]; } || set -- "$@" "$path"
done
[ $# = 0 ] || text=$(rm -rf "$@" 2>&1) || { reason "$text"; fail unwritable "$archive"; }
say result committed
