# shellcheck shell=sh disable=SC2154
# What lies on the disk. Changes nothing, not for a moment, and waits for nobody.
printf '\n'

find_links
if [ -L "$live" ]; then
  say "live $(one_line "$(readlink "$live")")"
  version=$current
  # Who may not read the manifest cannot tell.
  if [ -n "$version" ] && { [ ! -e "$archive/$version/.manifest" ] || [ -r "$archive/$version/.manifest" ]; }; then
    complete "$version" || say damaged
  fi
elif [ -e "$live" ]; then
  say live-occupied
fi
if { read -r line <"$switch"; } 2>/dev/null; then
  find_guard "$line"
  say "armed ${line#* # } $guard"
fi
[ ! -f "$switch~fired" ] || say "fired $(one_line "$(head -n 1 "$switch~fired")")"

show_link() {
  link_state "$1" "$2"
  if [ "$state" != ours ] && [ -n "$current" ] && is_as_kept "$1"; then state=kept; fi
  [ "$state" != link ] || state="link $(one_line "$leads_to")"
  say "link $state"
}
show_copy() { # PATH FILE ...
  copy_state "$1" "$2"
  if [ "$state" != ours ] && [ -n "$current" ] && is_as_kept "$1"; then state=kept; fi
  say "copy $state"
}
find_kept "$current"
each_link show_link
each_copy show_copy
show_active
show_reads names
show_old no
say result looked
