# shellcheck shell=sh disable=SC2154
# Whether a server could read the new key, also when it is started anew: by the process that reads its files, or is the
# parent of those that do.

# Nothing is said of root in this shell's own view of the file system: it reads everything.
show_reader() { # SERVICE PROCESS
  case $2 in
    '' | *[!0-9]*) return 0 ;;
  esac
  uid=
  groups=
  rights=
  while read -r key first second rest; do
    case $key in
      Uid:) uid=$second ;;
      Gid:) groups=$second ;;
      Groups:) groups="$groups $first $second $rest" ;;
      CapEff:)
        rights=$first
        break
        ;;
    esac
  done 2>/dev/null <"/proc/$2/status"
  [ -n "$rights" ] || return 0
  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (capabilities(7)): permissions do not hold for it.
  case $rights in
    *[0189]) reads=own ;;
    *) reads=all ;;
  esac
  same=no
  if [ "/proc/$2/root/" -ef / ] && [ "/proc/$2/ns/mnt" -ef /proc/self/ns/mnt ]; then same=yes; fi
  [ "$same:$reads" != yes:all ] || return 0
  # shellcheck disable=SC2086
  set -- "$1" "$2" $groups
  gids=$3
  clear=--clear-groups
  served=$1
  process=$2
  shift 3
  [ $# = 0 ] || clear="--groups=$(IFS=,; printf '%s' "$*")"
  user_name=$(id -nu "$uid" 2>/dev/null) || user_name=$uid
  # Names of a directory service may have blanks.
  case $user_name in
    *[[:blank:]]*) user_name=$uid ;;
  esac
  say "reader $served $uid $user_name $reads $(enters) $gids $*"
}

# `yes`, where it sees the folder that the files are below and may enter it, or `no`; `unknown` where that cannot be tried.
# What systemd puts over a hidden path is another folder, which root may enter.
enters() {
  # Who is not root may not look into the processes of others.
  if [ ! -e "/proc/$process/root/" ]; then
    printf unknown
    return
  fi
  if [ "$same" = no ] && ! [ "/proc/$process/root$existing" -ef "$existing" ]; then
    printf no
  elif [ "$reads" = all ]; then
    printf yes
  elif ! command -v setpriv >/dev/null 2>&1 || [ ! -O /proc/sys ]; then
    printf unknown
  else
    setpriv --reuid="$uid" --regid="$gids" "$clear" --inh-caps=-all --bounding-set=-all \
      sh -c 'if cd "$1" 2>/dev/null; then printf yes; else printf no; fi' sh "$existing" 2>/dev/null || printf unknown
  fi
}
