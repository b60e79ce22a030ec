# shellcheck shell=sh disable=SC2154
# Makes the live version final: the dead-man switch is disarmed, the archive pruned. Settings: committed (the
# version), keep, previous (may be empty).
printf '\n'
one_at_a_time

# Without flock, the switch may be firing right now.
firing() {
  [ -e "$switch.firing" ] && ! command -v flock >/dev/null 2>&1 &&
    { read -r line <"$switch.on"; } 2>/dev/null && kill -0 "${line#* }" 2>/dev/null
}
disarm || fail armed "$switch"
if firing || [ "$(live_version)" != "$committed" ]; then fail undone "$(live_version)"; fi
rm -f "$switch".*

for path in "$directory/.rehearsal" "$archive"/.*.partial.* "$archive"/.*.pruned "$live_folder/.$name.new" "$directory"/.output.*; do
  { [ ! -e "$path" ] && [ ! -L "$path" ]; } || rm -rf "$path"
done
remove_draft() {
  draft=${1%/*}/.certwave-${1##*/}
  [ ! -L "$draft" ] || rm -f "$draft"
}
each_link remove_draft

current=$committed
count=0
for version in $(versions); do count=$((count + 1)); done
for version in $(versions); do
  [ "$count" -gt "$keep" ] || break
  case $version in
    "$current" | "$previous") continue ;;
  esac
  # Renamed first, so that a version is there as a whole or not at all.
  text=$( (mv -f -T "$archive/$version" "$archive/.$version.pruned" && rm -rf "$archive/.$version.pruned") 2>&1) ||
    { reason "$text"; fail unwritable "$archive"; }
  say "pruned $version"
  count=$((count - 1))
done
say result committed
