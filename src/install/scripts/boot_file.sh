# shellcheck shell=sh disable=SC2034
# What the boot unit runs lies where root alone can write, each file named by its switch's token.
boot_folder=/var/lib/certwave/armed
unit_folder=/etc/systemd/system
own_unit=certwave-dead-man.service
wanted=$unit_folder/sysinit.target.wants/$own_unit

# Sets $boot_file: where the boot unit finds a switch; empty where it does not. The token may be anybody's word: TOKEN
find_boot_file() {
  boot_file=
  case $1 in
    '' | *[!0-9a-f-]*) ;;
    *) [ ! -f "$boot_folder/$1" ] || boot_file=$boot_folder/$1 ;;
  esac
}

# Sets $armed_token: the token in a switch's first line. LINE
find_token() {
  armed_token=${1#token=\'}
  armed_token=${armed_token%%\'*}
}
