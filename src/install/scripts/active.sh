# shellcheck shell=sh disable=SC2154
# The first certificate of a file, each line after a mark: a whole CERTIFICATE block, and never a private key in the same
# file. By the shell alone, which has read it before a process would have started. A line may end in CR.
leaf() { from_place take_leaf "$1"; }
take_leaf() {
  held=
  count=0
  while { IFS= read -r line || [ -n "$line" ]; } && [ "$count" -lt 1000 ]; do
    count=$((count + 1))
    case $line in
      '-----BEGIN CERTIFICATE-----' | '-----BEGIN CERTIFICATE-----'?) held="|$line
" ;;
      '-----END CERTIFICATE-----' | '-----END CERTIFICATE-----'?)
        [ -z "$held" ] || { put "$held|$line"; return; }
        ;;
      '' | [!A-Za-z0-9+/=] | *[!A-Za-z0-9+/=]?*) held= ;;
      *)
        [ -z "$held" ] || held="$held|$line
"
        ;;
    esac
  done
}

# What is active of one certificate; of the second of two, its algorithm stands in the files' names. Where every link
# leads into `live`, no link leads to more than there is.
linked() {
  if [ -z "$active" ] && [ "$2" = "$wanted" ] && [ -f "$1" ]; then active=$1; fi
}
show_active() {
  for suffix in pem ecdsa.pem rsa.pem; do
    active=
    for file in cert fullchain combined; do
      if [ -z "$active" ] && [ -f "$live/$file.$suffix" ]; then active=$live/$file.$suffix; fi
    done
    if [ -z "$active" ] && [ "$all_ours" = no ]; then
      for file in cert fullchain combined; do
        wanted=$file.$suffix
        each_link linked
      done
    fi
    if [ -n "$active" ]; then
      say 'begin active'
      leaf "$active"
      say 'end active'
    fi
  done
}

# Sets $state: what stands at the path of a copy. PATH FILE
copy_state() {
  state=other
  if [ -L "$1" ]; then
    state="link $(one_line "$(readlink "$1")")"
  elif [ -f "$1" ]; then
    state=file
    if [ -n "$current" ] && same "$1" "$live/$2"; then state=ours; fi
  elif [ ! -e "$1" ]; then
    if [ -d "${1%/*}/" ]; then state=missing; else state=no-folder; fi
  fi
}
