# shellcheck shell=sh disable=SC2034,SC2154
# What stands at the paths of links and copies. What stood there while a version was live is kept with that version, in a
# folder that nobody else may enter: in `.kept/was`, under its own path. A file in `.kept/none` says that nothing stood
# there. What stood there before any version was live is kept in the archive itself.

# Sets $kept. VERSION (may be empty)
find_kept() { kept=$archive/${1:+$1/}.kept; }

# As it is, with owner, modes, times and extended attributes.
keep_place() { # PATH
  (
    umask 077
    if [ -e "$1" ] || [ -L "$1" ]; then
      was=$kept/was$1
      mkdir -p "${was%/*}" && rm -rf "$kept/draft" && copy_place "$1" && mv -f -T "$kept/draft" "$was" &&
        rm -f "$kept/none$1" && flush_kept "$was"
    else
      none=$kept/none$1
      mkdir -p "${none%/*}" && : >"$none" && rm -f "$kept/was$1" && flush_kept "$none"
    fi
  )
}
copy_place() { # PATH
  if is_shared "$1"; then
    (enter_new_draft "$1" && hold "$1" && cp -a ./was "$kept/draft" && end_draft) || { drop_draft "$1"; return 1; }
  else
    cp -a "$1" "$kept/draft"
  fi
}
# With every folder on the way.
flush_kept() {
  folder=${1%/*}
  [ ! -L "$1" ] || shift
  while [ "$folder" != "${kept%/*}" ]; do
    set -- "$@" "$folder"
    folder=${folder%/*}
  done
  flush "$@" "$folder"
}
is_kept() { [ -e "$kept/was$1" ] || [ -L "$kept/was$1" ] || [ -e "$kept/none$1" ]; }

# Whether the same stands there again.
is_as_kept() { # PATH
  if [ -L "$kept/was$1" ]; then
    [ -L "$1" ] && [ "$(readlink "$1")" = "$(readlink "$kept/was$1")" ]
  elif [ -f "$kept/was$1" ]; then
    [ ! -L "$1" ] && same "$1" "$kept/was$1"
  else
    [ -e "$kept/none$1" ] && [ ! -e "$1" ] && [ ! -L "$1" ]
  fi
}

put_back() { # PATH
  find_verdict "$1"
  if [ -e "$kept/none$1" ]; then
    take_away "$1"
  else
    (
      enter_new_draft "$1" && cp -a "$kept/was$1" ./file && { [ -L ./file ] || flush ./file; } && leave_draft "$1"
    )
  fi
}

# Whether a copy is certwave's own, of whichever version.
of_a_version() { # PATH FILE
  for folder in "$archive"/[0-9]*T[0-9]*Z-*; do
    ! same "$1" "$folder/$2" || return 0
  done
  return 1
}

# Puts back what stood at all paths while a version was live. What somebody else has put there since is left alone.
# VERSION (may be empty)
restore_places() {
  find_kept "$1"
  back_to=$1
  restored=yes
  [ ! -d "$kept" ] || each_link restore_link
  each_copy restore_copy
  # What a step left that was killed.
  each_link drop_draft
  each_copy drop_draft
  [ "$restored" = yes ]
}
restore_link() { # PATH FILE
  is_kept "$1" && [ -L "$1" ] && [ "$(readlink "$1")" = "$live/$2" ] || return 0
  put_back "$1" || unrestored "$1"
}
restore_copy() { # PATH FILE OWNER GROUP MODE
  if is_kept "$1"; then
    is_as_kept "$1" || { { [ -e "$1" ] || [ -L "$1" ]; } && ! of_a_version "$1" "$2"; } || put_back "$1" || unrestored "$1"
  elif [ -n "$back_to" ] && [ -e "$archive/$back_to/$2" ]; then
    placing=$back_to
    { draft_copy "$@" && place_copy "$1"; } || unrestored "$1"
  fi
}
# Sets $unrestored: the folder of a path that could not be put back.
unrestored() {
  restored=no
  unrestored=${1%/*}
}

# The draft of a copy, beside it. All that can fail does so before anything is switched.
draft_copy() { # PATH FILE OWNER GROUP MODE
  place=$1
  source=$archive/$placing/$2
  [ -e "$1" ] || set -- "$source" "$2" "$3" "$4" "$5"
  # Where the playbook does not say whose it is, the file that stands there does.
  was=$(stat -L -c '%u %g %a' "$1") || return 1
  bits=${was##* }
  group=${was#* }
  group=${group%% *}
  case $2 in
    privkey* | combined* | key-first* | keystore*) bits=$(without_others "$bits") ;;
  esac
  (
    enter_new_draft "$place" && cp "$source" ./file && chown "${3:-${was%% *}}:${4:-$group}" ./file &&
      chmod "${5:-$bits}" ./file && flush ./file
  )
}
# A key that everybody could read stays readable for its group.
without_others() { # MODE
  mode=$((0$1))
  [ $((mode & 4)) = 0 ] || mode=$((mode | 32))
  printf '%o' $((mode & 416 | 256))
}
place_copy() { # PATH
  (enter_old_draft "$1" && leave_draft "$1")
}
