# shellcheck shell=sh disable=SC2154
# Puts a version into the archive; the tar on standard input holds its files and the manifest.
# Settings: version, owner, group.
printf '\n'
begin
umask 077

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
text=$(mkdir "$partial" 2>&1) || { reason "$text"; partial=; fail unwritable "$archive"; }

# Modes are as they will be: until it is sealed, nobody else may enter the folder. Owners and times are the host's own:
# some servers skip a file whose time and inode did not change.
text=$(tar -x -p -o -m -f - -C "$partial" 2>&1) || { reason "$text"; fail unpack "$version"; }
(cd "$partial" && [ -s .manifest ] && sha256sum -c .manifest) >/dev/null 2>&1 || fail corrupt "$version"

text=$(chown "$owner:$group" "$partial"/*.pem 2>&1) || { reason "$text"; fail owner "$(id -un) $owner:$group"; }

if [ ! -d "$archive/$version" ]; then
  if text=$(seal "$version" 2>&1); then
    partial=
    say result staged
    exit 0
  fi
  # An upload of the same version that the controller gave up on may have come first.
  { [ -d "$partial" ] && [ -d "$archive/$version" ]; } || { reason "$text"; fail unwritable "$archive"; }
fi
one_at_a_time
if complete "$version"; then
  say result already
  exit 0
fi
# Damaged, and perhaps live: mended file by file, so that `live` never dangles.
flush "$partial"/*.pem "$partial/.manifest"
for path in "$partial"/*.pem "$partial/.manifest"; do
  text=$(mv -f "$path" "$archive/$version/${path##*/}" 2>&1) || { reason "$text"; fail unwritable "$archive"; }
done
flush "$archive/$version"
say result staged
