# shellcheck shell=sh disable=SC2034,SC2154
# Starts the dead-man switch where nothing ends it with the login that armed it.

# Sets $unit. Its name has room for 255 characters; a certificate's may be as long. $token makes it the only one.
name_unit() {
  unit=$name
  [ ${#name} -le 100 ] ||
    unit=$(printf '%.60s-' "$name" && printf '%s' "$name" | sha256sum | cut -c 1-16)
  unit=certwave-dead-man-$unit-$token
}

# A systemd that refuses is a failure: a process of the login's session may end with that, and nobody would know.
start_switch() {
  find_keeper
  case $keeper in
    system)
      name_unit
      systemd-run --quiet --collect --unit="$unit" -- "$(command -v sh)" "$switch"
      ;;
    user)
      name_unit
      XDG_RUNTIME_DIR=/run/user/$(id -u) \
        systemd-run --user --quiet --collect --unit="$unit" -- "$(command -v sh)" "$switch"
      ;;
    *)
      if command -v setsid >/dev/null; then
        setsid sh "$switch" &
      else
        sh "$switch" &
      fi
      ;;
  esac
}
