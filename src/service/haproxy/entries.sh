# shellcheck shell=sh disable=SC2154
# Which of the names on standard input, one a line, lead to one of $files (one a line): `LINE FILE`, both counted from 1,
# and `all` at the end. What a certificate store calls `@STORE/NAME` stands in $aliases, as `NAME PATH`. By the shell alone: some thousand names take no process. A relative name is seen from $base.
newline='
'
# Sets $name to the path that a certificate store has for a name; to nothing where it is not known.
find_alias() { # NAME
  name=
  IFS=$newline
  for alias in ${aliases:-}; do
    [ "${alias%% *}" != "$1" ] || name=${alias#* }
  done
  unset IFS
}
set -f
IFS=$newline
set -- $files
unset IFS
line=0
while IFS= read -r name; do
  line=$((line + 1))
  case $name in
    /*) ;;
    @*) find_alias "$name" ;;
    *) name=$base/$name ;;
  esac
  file=0
  [ -n "$name" ] || continue
  for path do
    file=$((file + 1))
    if [ "$name" -ef "$path" ]; then
      printf '%s %s\n' "$line" "$file"
      break
    fi
  done
done
echo all
