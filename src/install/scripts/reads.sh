# shellcheck shell=sh disable=SC2154
# The certificates that servers' configurations name: ours, or somebody else's with what they hold; and whether a server
# takes its configuration as it is.
candidate() { [ "$1" != "$path" ] || whose=ours; }
# A path as the kernel sees it, but for its last part, which the rollout may replace. Sets $placed.
place() {
  placed=$(readlink -f "${1%/*}/")
  placed=${placed%/}/${1##*/}
}
add_place() {
  place "$1"
  places="$places$placed
"
}
# Sets $whose, without a process where $path is one of those that are switched, by the same words.
whose() {
  whose=other
  case $path in
    "$live"/*) whose=ours ;;
  esac
  each_link candidate
  each_copy candidate
  [ "$whose" = other ] || return 0
  # So many are looked at more closely. What a longer list names is not known, as with variables.
  if [ "$looked" -ge 100 ]; then
    whose=unknown
    return
  fi
  looked=$((looked + 1))
  if [ -z "$places" ]; then
    places='
'
    each_link add_place
    each_copy add_place
    real_archive=$(readlink -f "$archive")
    real_live=$(readlink -f "$live_folder")/${live##*/}
  fi
  place "$path"
  case $places in
    *"
$placed
"*) whose=ours ;;
  esac
  case $placed in
    "$real_live"/*) whose=ours ;;
  esac
  case $(readlink -f "$path") in
    "${real_archive:-$archive}"/*) whose=ours ;;
  esac
}
show_reads() {
  places=
  for service in $services; do
    # As a shell of root's would: what a server makes when it only tests its configuration stays readable.
    text=$(umask 022 && "service_$service" reads 2>/dev/null </dev/null)
    looked=0
    cut=no
    while read -r kind path; do
      case $kind in
        broken) say "broken $service $path" ;;
        variable) say "variable $service" ;;
        certificate | key)
          whose
          if [ "$whose" = unknown ]; then
            cut=yes
            continue
          fi
          say "reads $service $whose $kind $path"
          [ "$whose $kind" = 'other certificate' ] || continue
          say "begin read $service $path"
          leaf "$path"
          say "end read $service $path"
          ;;
      esac
    done <<END
$text
END
    [ "$cut" = no ] || say "variable $service"
  done
}
