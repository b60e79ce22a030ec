# shellcheck shell=sh disable=SC2154
# A file without what could be a key: PEM blocks and long runs of base64. Setting: path.
[ -r "$path" ] || exit 66
awk '
  /-----BEGIN/ { inside = 1; sub(/-----BEGIN.*/, ""); if (/[^ ]/) print; next }
  /-----END/ { inside = 0; next }
  !inside { gsub(/[A-Za-z0-9+=]{80,}/, "left-out"); print }
' "$path"
