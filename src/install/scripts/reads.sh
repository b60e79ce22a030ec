# shellcheck shell=sh disable=SC2154
# The certificates that servers' configurations name: ours, or somebody else's with what they hold; and whether a server
# takes its configuration as it is.
# Sets $whose: the same file as one that the rollout switches, or the place of one, by whatever way; or a file of the archive. All by the
# shell alone: a server may name some thousand files.
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
  for file in "$live" "$archive"/*; do
    [ ! "${path%/*}/" -ef "$file/" ] || whose=ours
  done
  for file in "$archive"/*/*.pem; do
    [ ! "$path" -ef "$file" ] || whose=ours
  done
}
# Of a place, the last part is what the rollout replaces, and it need not be there.
candidate() {
  if [ "$1" = "$path" ] || { [ "${1##*/}" = "${path##*/}" ] && [ "${1%/*}/" -ef "${path%/*}/" ]; }; then whose=ours; fi
}
# Of each service, by HOOK (`reads` unless it is said): `names` tests nothing.
show_reads() {
  for service in $services; do
    # As a shell of root's would: what a server makes when it only tests its configuration stays readable.
    text=$(umask 022 && "service_$service" "${1:-reads}" 2>/dev/null </dev/null)
    looked=0
    cut=no
    whose=other
    while read -r kind path; do
      case $kind in
        broken) say "broken $service $path" ;;
        variable) say "variable $service" ;;
        setting) [ -n "${1:-}" ] || say "setting $service $path" ;;
        of) if [ "$path" = '*' ]; then whose=ours; else whose; fi ;;
        # Of the certificate before it.
        beside) [ "$whose$#" != ours0 ] || say "beside $service $path" ;;
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
