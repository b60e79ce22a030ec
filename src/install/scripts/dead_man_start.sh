# shellcheck shell=sh disable=SC2034,SC2154
# Starts the dead-man switch where nothing ends it with the login that armed it, by $own_script.

# Sets $unit. Its name has room for 255 characters; a certificate's may be as long. $token makes it the only one.
name_unit() {
  unit=$name
  [ ${#name} -le 100 ] ||
    unit=$(printf '%.60s-' "$name" && printf '%s' "$name" | sha256sum | cut -c 1-16)
  unit=certwave-dead-man-$unit-$token
}

# systemd expands variables in a command's words; `$$` stands for one `$` (systemd.service(5), "Command lines").
escape_script() { escaped=$(printf '%s\n' "$own_script" | sed 's/\$/$$/g'); }

# A systemd that refuses is a failure: a process of the login's session may end with that, and nobody would know.
start_switch() {
  find_keeper
  case $keeper in
    system)
      name_unit
      escape_script
      systemd-run --quiet --collect --unit="$unit" -- "$(command -v sh)" -c "$escaped" "$switch"
      ;;
    user)
      name_unit
      escape_script
      XDG_RUNTIME_DIR=/run/user/$(id -u) \
        systemd-run --user --quiet --collect --unit="$unit" -- "$(command -v sh)" -c "$escaped" "$switch"
      ;;
    *)
      if command -v setsid >/dev/null; then
        setsid sh -c "$own_script" "$switch" &
      else
        sh -c "$own_script" "$switch" &
      fi
      ;;
  esac
}
