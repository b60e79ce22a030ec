# shellcheck shell=sh disable=SC2034,SC2154
# Who can change what a path leads to. Three verdicts:
# - `closed`: nobody but root and this user can change it, nor any folder or link on the way to it. That is the rule of sshd's StrictModes
#   (sshd_config(5)). A sticky folder of root's may be passed: names in it are their owners' alone.
# - `shared`: others can change it, but nobody but root, this user and its own owner can lead the way elsewhere.
# - `crossed`: anybody else can.
line_end='
'

# Every folder and symbolic link on the way to a folder, one a line, in the order in which they are passed: FOLDER
on_the_way() {
  way=$1
  at=
  links=0
  echo /
  while :; do
    way=${way#"${way%%[!/]*}"}
    [ -n "$way" ] || return 0
    part=${way%%/*}
    way=${way#"$part"}
    case $part in
      .) continue ;;
      ..)
        at=${at%/*}
        continue
        ;;
    esac
    printf '%s\n' "$at/$part"
    if [ ! -L "$at/$part" ]; then
      at=$at/$part
      continue
    fi
    links=$((links + 1))
    # No more than the kernel follows.
    [ "$links" -le 40 ] || { echo /proc/self/endless; return; }
    to=$(readlink "$at/$part")
    case $to in
      /*) at= ;;
    esac
    way=$to$way
  done
}

# Prints `closed`, or `shared` or `crossed` and on two more lines what others can change, and why: LAST FOLDER... LAST is judged after
# the folders: `.` where the folder is entered, or nothing. In a subshell of its own.
judge_way() {
  last=$1
  shift
  listed=$(
    set -f
    IFS=$line_end
    # shellcheck disable=SC2046,SC2086
    exec stat -c '%u %g %a %F:%n' /proc/self/ $(for folder; do on_the_way "$folder"; done) $last
  ) || { printf 'crossed\n%s\nit cannot be looked at' "$1"; return; }
  entered=$last
  me=${listed%% *}
  left=${listed#*"$line_end"}
  last=${listed##*"$line_end"}
  holder=${last%% *}
  state=closed
  first=
  while [ -n "$left" ]; do
    line=${left%%"$line_end"*}
    left=${left#"$line"}
    left=${left#"$line_end"}
    user=${line%% *}
    kind=${line#* }
    group=${kind%% *}
    kind=${kind#* }
    mode=${kind%% *}
    kind=${kind#* }
    why=
    # An ordinary user's own group has its number, and nobody else in it.
    others=18
    [ "$user:$group" != "$me:$me" ] || [ "$me" = 0 ] || others=2
    case $user:$kind in
      0:'symbolic link:'* | "$me:symbolic link:"*) ;;
      "$holder:symbolic link:"*) why="it belongs to user $user" ;;
      0:directory:* | "$me:directory:"*)
        # Where it is entered, the folder itself comes twice.
        if [ $((0$mode & others)) = 0 ]; then :
        elif [ -z "$left" ] || [ "$entered$left" = ".$last" ]; then why='others may write to it'
        elif [ $((0$mode & 512)) = 0 ] || is_own "${kind#*:}"; then
          why='others may write to it'
          state=crossed
        fi
        ;;
      "$holder:directory:"*) why="it belongs to user $user" ;;
      *:directory:* | *:'symbolic link:'*)
        why="it belongs to user $user"
        state=crossed
        ;;
      *)
        why='it is no folder'
        state=crossed
        ;;
    esac
    [ -n "$why" ] || continue
    if [ "$state" = crossed ] || [ -z "$first" ]; then first=${kind#*:}$line_end$why; fi
    [ "$state" != crossed ] || break
    state=shared
  done
  printf '%s\n%s' "$state" "$first"
}

# Whether a folder is the one that holds all versions, or in it: PATH
is_own() {
  case $1/ in
    "$directory"/*) return 0 ;;
  esac
  return 1
}
