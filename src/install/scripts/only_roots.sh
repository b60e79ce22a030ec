# shellcheck shell=sh
# Whether root alone can change what these paths lead to, and each is there: PATH... Every folder on the way counts, and a
# symbolic link is none.
only_roots() {
  # shellcheck disable=SC2046
  listed=$(
    set -f
    IFS='
'
    set -- $(
      for path in "$@"; do
        while [ -n "$path" ]; do
          printf '%s\n' "$path"
          path=${path%/*}
        done
      done
    )
    LC_ALL=C ls -ldn -- "$@" / 2>/dev/null
  ) || return 1
  while read -r mode _ uid _; do
    case $mode in
      [d-]????-??-*) [ "$uid" = 0 ] || return 1 ;;
      *) return 1 ;;
    esac
  done <<END
$listed
END
}
