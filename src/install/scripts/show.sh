# shellcheck shell=sh disable=SC2154
# The leaves of a version in the archive. Setting: version.
for suffix in pem ecdsa.pem rsa.pem; do
  for file in cert fullchain; do
    [ ! -f "$archive/$version/$file.$suffix" ] || { cat "$archive/$version/$file.$suffix"; break; }
  done
done
