# shellcheck shell=sh disable=SC2154
# Whole CERTIFICATE blocks only: a private key in the same file is never printed.
certificates() {
  awk '
    { sub(/\r$/, "") }
    /^-----BEGIN CERTIFICATE-----$/ { held = $0; inside = 1; next }
    /^-----END CERTIFICATE-----$/ { if (inside) print held "\n" $0; inside = 0; next }
    inside && /^[A-Za-z0-9+\/=]+$/ { held = held "\n" $0; next }
    { inside = 0 }
  ' "$1" 2>/dev/null | head -n 1000
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
    [ -z "$active" ] || certificates "$active" | block active
  done
}
