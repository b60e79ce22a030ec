# shellcheck shell=sh disable=SC2154
# Puts a version into the archive; the tar on standard input holds its files and the manifest.
# Settings: version, owner, group, key_mode.
printf '\n'

if complete "$version"; then
  cat >/dev/null
  say result already
  exit 0
fi

if [ ! -d "$archive" ] || [ ! -d "$live_folder" ]; then
  text=$( (umask 022 && mkdir -p "$archive" "$live_folder") 2>&1) || { reason "$text"; fail unwritable "$archive"; }
fi
for path in "$archive/.$version.partial".*; do
  [ ! -e "$path" ] || rm -rf "$path"
done
partial=$archive/.$version.partial.$$
text=$( (umask 077 && mkdir "$partial") 2>&1) || { reason "$text"; partial=; fail unwritable "$archive"; }

# Owners and times are the host's own: some servers skip a file whose time and inode did not change.
text=$( (umask 077 && tar -x -o -m -f - -C "$partial") 2>&1) || { reason "$text"; fail unpack "$version"; }
(cd "$partial" && [ -s .manifest ] && sha256sum -c .manifest) >/dev/null 2>&1 || fail corrupt "$version"

one_at_a_time
if complete "$version"; then
  say result already
  exit 0
fi

# The owner first: a mode that lets a group read must never meet the wrong group.
text=$(chown "$owner:$group" "$partial"/*.pem 2>&1) || { reason "$text"; fail owner "$(id -un) $owner:$group"; }
# All as keys, then those that hold none.
set --
for path in "$partial"/*.pem; do
  case ${path##*/} in
    privkey.* | combined.*) ;;
    *) set -- "$@" "$path" ;;
  esac
done
text=$( (chmod "$key_mode" "$partial"/*.pem && { [ $# = 0 ] || chmod 0644 "$@"; }) 2>&1) ||
  { reason "$text"; fail owner "$(id -un) $owner:$group"; }

if [ -d "$archive/$version" ]; then
  # Damaged, and perhaps live: mended file by file, so that `live` never dangles.
  flush "$partial"/*.pem "$partial/.manifest"
  for path in "$partial"/*.pem "$partial/.manifest"; do
    text=$(mv -f "$path" "$archive/$version/${path##*/}" 2>&1) || { reason "$text"; fail unwritable "$archive"; }
  done
  flush "$archive/$version"
else
  text=$(seal "$version" 2>&1) || { reason "$text"; fail unwritable "$archive"; }
  partial=
fi
say result staged
