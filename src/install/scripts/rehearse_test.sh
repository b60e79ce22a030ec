# shellcheck shell=sh disable=SC2034,SC2154
# Runs where only this process sees what is mounted: the staged files stand in the places of those that servers read.
# Settings: shadow (the version's folder), services.
rehearsal=yes
over() {
  target=$(readlink -f "$2" 2>/dev/null)
  [ -n "$target" ] && [ -f "$target" ] || return 0
  text=$(mount --bind "$shadow/$1" "$target" 2>&1) || { say untested "$(one_line "$text")"; exit 0; }
}
over_link() { over "$2" "$1"; }

for file in "$shadow"/*.pem; do
  over "${file##*/}" "$live/${file##*/}"
done
each_link over_link
each_copy over_link
for service in $services; do
  if text=$("service_$service" test 2>&1 </dev/null); then
    say "took $service"
  else
    reason "$text"
    say "refused $service"
  fi
done
