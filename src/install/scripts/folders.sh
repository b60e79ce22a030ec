# shellcheck shell=sh disable=SC2034,SC2154
# Root follows no name that another user can plant:
# - A closed folder is used by its path.
# - Any other folder is entered first and judged then: its path may lead elsewhere at any moment, but a folder that is entered stays what
#   it is. One that is crossed is not used.
# - In a shared folder no call is made that follows the last name of a path: only mkdir(2), rmdir(2), rename(2), unlink(2) and link(2).
#   What is written is written in a draft's folder, which nobody else may enter, and renamed from there. What root reads is given a
#   second name in that folder first: whoever takes away the first one, or puts a link or a pipe there, changes nothing any more.
# - Where somebody else's symbolic link leads is read as that user.

# Ends the script where others can change the folder that holds all versions: who can replace the dead-man switch between its being
# written and started has it run by root. On the way there, the same.
safe_or_fail() {
  find_unsafe
  [ -z "$unsafe" ] || { reason "$why"; fail unsafe "$unsafe"; }
}
# Sets $unsafe, what others can change, and $why.
find_unsafe() {
  existing=$directory
  while [ ! -d "$existing" ]; do
    existing=${existing%/*}
    [ -n "$existing" ] || existing=/
  done
  if [ "$existing" = "$directory" ]; then
    set -- "$directory"
    for way in "$directory/archive" "$archive" "$live_folder"; do
      [ ! -e "$way" ] || set -- "$@" "$way"
    done
    verdict=$(judge_way '' "$@")
  else
    # It will be made there, and be this user's.
    verdict=$(judge_way /proc/self/ "$existing")
  fi
  unsafe=
  why=
  [ "$verdict" != closed ] || return 0
  why=${verdict#*"$line_end"}
  unsafe=${why%%"$line_end"*}
  why=${why#*"$line_end"}
}

# Sets $verdict: `closed` or `shared` or `crossed`, with what that is about. The folder of a path is judged once: PATH
closed_folders=
find_verdict() {
  case $closed_folders in
    *"$line_end${1%/*}/$line_end"*) verdict=closed ;;
    *)
      verdict=$(judge_way '' "${1%/*}/")
      [ "$verdict" != closed ] || closed_folders="$closed_folders$line_end${1%/*}/$line_end"
      ;;
  esac
}

# Enters the folder of a path. Sets $verdict. For a subshell: PATH
enter_folder() {
  find_verdict "$1"
  cd -P "${1%/*}/" || return
  [ "$verdict" != closed ] || return 0
  verdict=$(judge_way . "${1%/*}/")
  case $verdict in
    crossed*)
      told=${verdict#*"$line_end"}
      printf 'other users can change where its path leads, at %s: %s; give that to root, and let nobody else write to it\n' \
        "${told%%"$line_end"*}" "${told#*"$line_end"}" >&2
      return 1
      ;;
  esac
}
# Whether root has to be wary of names in the folder of a path: PATH
is_shared() {
  # In a user namespace, root owns its own files alone.
  if [ ! -O /proc/sys ]; then
    : "${our_uid:=$(id -u)}"
    [ "$our_uid" = 0 ] || return 1
  fi
  find_verdict "$1"
  [ "$verdict" != closed ]
}

# What is to stand at a path is written in a folder beside it, which nobody else may enter, and renamed from there. All three are for a
# subshell.
enter_new_draft() { # PATH
  umask 077
  draft=.certwave~${1##*/}
  enter_folder "$1" && clear_draft && mkdir "./$draft" && enter_draft || return
  [ "$verdict" != closed ] || return 0
  # Where the folder hands its own permissions down, somebody may have been in it before.
  chmod go-rwx . && for path in ./* ./.[!.]*; do
    [ ! -e "$path" ] && [ ! -L "$path" ] || { printf '%s is not empty\n' "$draft" >&2; return 1; }
  done
}
enter_old_draft() { # PATH
  draft=.certwave~${1##*/}
  enter_folder "$1" && enter_draft
}
enter_draft() {
  beside=${PWD%/}
  cd -P "./$draft" && [ "$PWD" = "$beside/$draft" ] && [ -O . ] || { printf '%s is not ours\n' "$draft" >&2; return 1; }
}
# In one rename, of what is on the disk by then. Its folder is entered: PATH
leave_draft() { mv -f -T ./file "../${1##*/}" && flush .. && end_draft; }
end_draft() {
  set --
  for path in ./file ./other ./was; do
    { [ ! -e "$path" ] && [ ! -L "$path" ]; } || set -- "$@" "$path"
  done
  { [ $# = 0 ] || rm -f "$@"; } && cd .. && rmdir "./$draft"
}
# What a killed step left of the draft. A folder of somebody else's stays, unless it is empty. Its folder is entered.
clear_draft() {
  if [ -L "./$draft" ] || { [ -e "./$draft" ] && [ ! -d "./$draft" ]; }; then
    rm -f "./$draft"
  elif [ -d "./$draft" ]; then
    rmdir "./$draft" 2>/dev/null || (enter_draft && end_draft)
  fi
}
drop_draft() { # PATH ...
  draft=${1%/*}/.certwave~${1##*/}
  if [ -e "$draft" ] || [ -L "$draft" ]; then
    (
      draft=${draft##*/}
      enter_folder "$1" && clear_draft
    ) 2>/dev/null
  fi
  return 0
}

# Takes away what stands at a path: PATH
take_away() { (enter_folder "$1" && rm -f "./${1##*/}" && flush .); }

# Gives what stands at a path a second name, ./was, which nobody else can change. In a draft: PATH
hold() {
  ln "../${1##*/}" ./was || return
  if [ -L ./was ]; then return; fi
  [ -f ./was ] || { echo 'it is neither a file nor a link' >&2; return 1; }
  # Who may not read a file can still give it another name where fs.protected_hardlinks (proc(5)) is off.
  [ "$(stat -c %h ./was)" = 2 ] || { echo 'it has other names (hard links)' >&2; return 1; }
}
# Makes ./file of what is read at a path, with its owner and its mode. In a draft: PATH
fetch() {
  if ! is_shared "$1"; then
    cp -p "$1" ./file
    return
  fi
  hold "$1" || return
  if [ ! -L ./was ]; then
    cp -p ./was ./file
    return
  fi
  to=$(readlink ./was)
  # shellcheck disable=SC2046
  set -- "$1" $(stat -c '%u %g' ./was) $(stat -c '%u %g' ..)
  # Its own links lead root wherever root alone can change the way.
  links=0
  while [ "$2" = 0 ] && [ "$links" -lt 40 ]; do
    case $to in
      /*) ;;
      *) break ;;
    esac
    find_verdict "$to"
    [ "$verdict" = closed ] || break
    [ -L "$to" ] || { cp -p "$to" ./file; return; }
    links=$((links + 1))
    further=$(readlink "$to")
    case $further in
      /*) to=$further ;;
      *) to=${to%/*}/$further ;;
    esac
  done
  [ "$2" != 0 ] || set -- "$1" "$4" "$5"
  [ "$2" != 0 ] || { printf 'it leads to %s, which others can change\n' "$to" >&2; return 1; }
  # The descriptor is opened by root, in a folder that this user may not enter.
  (cd .. && as_user "$2" "$3" cat "./${1##*/}") >./file && chown "$2:$3" ./file && chmod 0600 ./file
}
# With the rights of a user, and none of its further groups: UID GID COMMAND...
as_user() {
  uid=$1
  gid=$2
  shift 2
  # Somebody may have put a pipe there.
  ! command -v timeout >/dev/null 2>&1 || set -- timeout 10 "$@"
  if setpriv --reuid=0 true 2>/dev/null; then
    setpriv --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all --bounding-set=-all "$@"
  elif chroot --skip-chdir --userspec=0:0 / true 2>/dev/null; then
    chroot --skip-chdir --userspec="$uid:$gid" --groups= / "$@"
  else
    echo "nothing here can read as user $uid: install setpriv" >&2
    return 1
  fi
}

# What is read at a path with no more rights than whoever can change that has: PATH
read_apart() {
  (
    enter_folder "$1" || exit
    # shellcheck disable=SC2046
    set -- "${1##*/}" $(stat -c '%u %g' .)
    # nobody, of the group that may write there.
    [ "$2" != 0 ] || set -- "$1" 65534 "$3"
    as_user "$2" "$3" head -c 1048576 "./$1"
  ) 2>/dev/null
}

# Gives COMMAND what is read at a path as its input: COMMAND PATH
from_place() {
  case $2 in
    "$live"/*) ;;
    *)
      if is_shared "$2"; then
        "$1" <<END
$(read_apart "$2")
END
        return
      fi
      ;;
  esac
  "$1" <"$2"
} 2>/dev/null

# cmp, which comes to its end though somebody puts a pipe there: PATH FILE
same() {
  [ -f "$1" ] || return 1
  if is_shared "$1" && command -v timeout >/dev/null 2>&1; then timeout 10 cmp -s "$1" "$2"; else cmp -s "$1" "$2"; fi
}
