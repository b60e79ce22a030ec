# shellcheck shell=sh disable=SC2154
# Whole CERTIFICATE blocks only: a private key in the same file is never printed. MARK goes before each line; a block
# is as long as 1000 lines.
certificates() { # FILE [MARK]
  awk -v mark="${2:-}" '
    function print_held() { if ((lines += count) > 1000) exit; printf "%s", held }
    { sub(/\r$/, "") }
    /^-----BEGIN CERTIFICATE-----$/ { held = mark $0 "\n"; count = 1; inside = 1; next }
    /^-----END CERTIFICATE-----$/ { if (inside) { held = held mark $0 "\n"; count++; print_held() } inside = 0; next }
    inside && /^[A-Za-z0-9+\/=]+$/ { held = held mark $0 "\n"; count++; next }
    { inside = 0 }
  ' "$1" 2>/dev/null
}

# What is active of one certificate; of the second of two, its algorithm stands in the files' names.
linked() {
  if [ -z "$active" ] && [ "$2" = "$wanted" ] && [ -f "$1" ]; then active=$1; fi
}
show_active() {
  for suffix in pem ecdsa.pem rsa.pem; do
    active=
    for file in fullchain cert combined; do
      if [ -z "$active" ] && [ -f "$live/$file.$suffix" ]; then active=$live/$file.$suffix; fi
    done
    for file in fullchain cert combined; do
      wanted=$file.$suffix
      each_link linked
    done
    if [ -n "$active" ]; then
      say 'begin active'
      certificates "$active" '|'
      say 'end active'
    fi
  done
}
