# shellcheck shell=sh disable=SC2154
# Which of the names on standard input, one a line, lead to one of $files (one a line): `LINE FILE`, both counted from 1,
# and `all` at the end. By the shell alone: some thousand names take no process. A relative name is seen from $base.
newline='
'
set -f
IFS=$newline
set -- $files
unset IFS
line=0
while IFS= read -r name; do
  line=$((line + 1))
  case $name in
    /*) ;;
    *) name=$base/$name ;;
  esac
  file=0
  for path do
    file=$((file + 1))
    if [ "$name" -ef "$path" ]; then
      printf '%s %s\n' "$line" "$file"
      break
    fi
  done
done
echo all
