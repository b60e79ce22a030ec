# shellcheck shell=sh disable=SC2154
# The certificates that servers' configurations name: ours, or somebody else's with what they hold.
candidate() { [ "$1" != "$path" ] || whose=ours; }
whose() {
  whose=other
  case $path in
    "$live"/*) whose=ours ;;
  esac
  case $(readlink -f "$path") in
    "${real_archive:-$archive}"/*) whose=ours ;;
  esac
  each_link candidate
}
show_reads() {
  real_archive=$(readlink -f "$archive")
  for service in $services; do
    "service_$service" reads 2>/dev/null </dev/null | sort -u | head -n 100 | while read -r kind path; do
      if [ "$kind" = broken ]; then
        say "broken $service $path"
        continue
      fi
      whose
      say "reads $service $whose $kind $path"
      [ "$whose $kind" = 'other certificate' ] || continue
      say "begin read $service $path"
      leaf "$path"
      say "end read $service $path"
    done
  done
}
