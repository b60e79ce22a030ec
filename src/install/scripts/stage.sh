# shellcheck shell=sh disable=SC2154
# Puts a version into the archive; the next $size bytes of standard input are a tar of its files and the manifest.
# Settings: version, size, folder (that the files are in, in the tar), formats
# (its files besides those that every version has), owner, group, key_mode.
begin
unread=$size

# Gives the files of a folder to whom they belong. Unless it is root, busybox's tar takes the umask off the modes.
give() { # FOLDER
  attempt chown "$owner:$group" "$1"/*.p* || { reason "$text"; fail owner "$(id -un) $owner:$group"; }
  of=$1
  give_mode 0644 "$of"/cert*.pem "$of"/chain*.pem "$of"/fullchain*.pem
  give_mode "$key_mode" "$of"/privkey*.pem "$of"/combined*.pem "$of"/key-first*.pem "$of"/keystore*.p12
}
# What stood at the links before the first rollout may be some of the files only. MODE PATH...
give_mode() {
  wanted=$1
  shift
  for path in "$@"; do
    shift
    [ ! -e "$path" ] || set -- "$@" "$path"
  done
  [ $# = 0 ] || attempt chmod "$wanted" "$@" || { reason "$text"; fail unwritable "$archive"; }
}
# The playbook may want files that it did not want when the version came here.
has_all() {
  for file in $formats; do [ -e "$archive/$version/$file" ] || return 1; done
  complete "$version"
}
if has_all; then
  # The playbook may say otherwise since.
  give "$archive/$version"
  say result already
  exit 0
fi

if [ ! -d "$archive" ] || [ ! -d "$live_folder" ]; then
  text=$( (umask 022 && mkdir -p "$archive" "$live_folder") 2>&1) || { reason "$text"; fail unwritable "$archive"; }
fi
for path in "$archive/.$version.partial".*; do
  [ ! -e "$path" ] || rm -rf "$path"
done
# Until its files are whose they shall be, nobody else may enter the folder. root's are that from the beginning.
shut=077
if [ "$owner:$group $key_mode" = 'root:root 0600' ] && [ -O /proc/sys ] && [ -G /proc/sys ] && [ -G "$archive" ]; then
  shut=022
fi
umask "$shut"
# The tar has the folder with its place, if names are not too long for that, and the link that will be renamed. Where this
# shell is not alone, an upload that nobody waits for any more may still write there: this one gets a folder of its own.
# So it does where tar would have to follow a link, which bsdtar does not.
into=$directory
if [ "$alone" = no ] || [ "$folder" = "${folder#*/}" ] ||
  [ -L "$directory/archive" ] || [ -L "$archive" ] || [ -L "$live_folder" ]; then
  apart=$archive/.$version.partial.$$
  attempt mkdir "$apart" || { reason "$text"; apart=; fail unwritable "$archive"; }
  into=$apart
fi
partial=$into/$folder
link=$live_folder/.$name~$version

# Modes are as they will be. Owners and times are the host's own: some servers skip a file whose time and inode did not
# change. All is read, whatever becomes of it: what follows is the next task.
unpack() {
  head -c "$size" | {
    tar -x -p -o -m -f - -C "$into" 2>&1
    unpacked=$?
    while read -r rest; do :; done
    exit "$unpacked"
  }
}
unread=
text=$(unpack) || { reason "$text"; fail unpack "$version"; }
{ cd "$partial" && [ -s .manifest ] && sha256sum -c .manifest; } >/dev/null 2>&1 || fail corrupt "$version"

[ "$shut" = 022 ] || give "$partial"

if [ ! -d "$archive/$version" ]; then
  if attempt seal "$version"; then
    partial=
    say result staged
    exit 0
  fi
  # An upload of the same version that the controller gave up on may have come first.
  { [ -d "$partial" ] && [ -d "$archive/$version" ]; } || { reason "$text"; fail unwritable "$archive"; }
fi
one_at_a_time
if has_all; then
  say result already
  exit 0
fi
# Damaged, and perhaps live: mended file by file, so that `live` never dangles.
flush "$partial"/*.p* "$partial/.manifest"
for path in "$partial"/*.p* "$partial/.manifest"; do
  attempt mv -f "$path" "$archive/$version/${path##*/}" || { reason "$text"; fail unwritable "$archive"; }
done
flush "$archive/$version"
say result staged
