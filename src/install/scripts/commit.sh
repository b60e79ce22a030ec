# shellcheck shell=sh disable=SC2154
# Prunes the archive. Settings: keep, previous (may be empty).
printf '\n'

rm -rf "$archive"/.*.partial.* "$archive"/.*.pruned "$live_folder/.$name.new" "$directory"/.output.*
remove_draft() { rm -f "$(link_draft "$1")"; }
each_link remove_draft

current=$(live_version)
count=$(versions | grep -c .)
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
