# shellcheck shell=sh disable=SC2154
# Whose the sockets are that a server is proven at. Two processes that take connections at one address and port answer by
# turns, and a reload reaches one of them.

# Says `listener SERVICE ADDRESS:PORT own|else`, each as the kernel writes it (proc(5), /proc/net/tcp); and `rival SERVICE PORT
# PROCESS NAME` where another process has such a socket, or the same one: SERVICE PROCESS (the master).
show_listeners() {
  case $2 in
    '' | *[!0-9]*) return 0 ;;
  esac
  eval "ports=\$ports_$1"
  [ -n "$ports" ] || return 0
  served=$1
  # Those that listen come first in the list: what follows is every connection of the host.
  sockets=$(
    ports=$ports net=/proc/$2/net awk 'BEGIN {
      count = split(ENVIRON["ports"], port, " ")
      for (i = 1; i <= count; i++) wanted[port[i]] = 1
      for (i = 1; i <= 2; i++) {
        file = ENVIRON["net"] (i == 1 ? "/tcp" : "/tcp6")
        first = 1
        while ((getline line < file) > 0) {
          if (first) { first = 0; continue }
          split(line, part, " ")
          if (part[4] != "0A") break
          split(part[2], at, ":")
          if (at[2] in wanted) print part[2], part[10]
        }
        close(file)
      }
    }' 2>/dev/null
  )
  [ -n "$sockets" ] || return 0
  master=$2
  children=
  { read -r children <"/proc/$2/task/$2/children"; } 2>/dev/null
  # Mostly the master has them all. Children may have thousands of connections besides.
  held=$(held_by "$master")
  split_sockets
  if [ -n "$elsewhere" ] && [ -n "$children" ]; then
    # shellcheck disable=SC2086
    held=$held$(held_by $children | grep -F "$(wanted_sockets)")
    split_sockets
  fi
  for at in $own; do say "listener $served $at own"; done
  for one in $elsewhere; do
    at=${one%:*}
    say "listener $served $at else"
    case " $own " in
      *" $at "*) name_rival "${at#*:}" "$(who_holds "${one##*:}")" ;;
    esac
  done
  [ -n "$own" ] || return 0
  # A half-finished upgrade: the old master is the parent of the new one, and both have the same sockets.
  { read -r line <"/proc/$master/stat"; } 2>/dev/null || return 0
  line=${line##*") "? }
  is_upgraded "$master" "${line%% *}" && name_rival "$port" "${line%% *}"
  for child in $children; do
    # A worker may have started other programs.
    for grandchild in $(children_of "$child"); do
      is_upgraded "$child" "$grandchild" && is_upgraded "$master" "$child" && name_rival "$port" "$child" && break
    done
  done
  return 0
}

# Sets $own, the addresses of sockets that are among $held, and $elsewhere, `ADDRESS:INODE` of the others.
split_sockets() {
  own=
  elsewhere=
  while read -r at inode; do
    case $held in
      *"socket:[$inode]"*) own="$own $at" ;;
      *) elsewhere="$elsewhere $at:$inode" ;;
    esac
  done <<END
$sockets
END
}
# What grep looks for: a line each.
wanted_sockets() {
  while read -r at inode; do printf 'socket:[%s]\n' "$inode"; done <<END
$sockets
END
}
# What processes have open, all in one look: PROCESS...
held_by() {
  for process do
    shift
    set -- "$@" "/proc/$process/fd"
  done
  ls -l "$@" 2>/dev/null
}
# Sets $port. Whether two processes have the same name, and the second one listens at a port of the first: PROCESS PROCESS
is_upgraded() {
  [ "$2" -gt 1 ] && { read -r one <"/proc/$1/comm" && read -r other <"/proc/$2/comm"; } 2>/dev/null &&
    [ "$one" = "$other" ] || return 1
  theirs=$(held_by "$2" | grep -F "$(wanted_sockets)")
  while read -r at inode; do
    case $theirs in
      *"socket:[$inode]"*)
        port=${at#*:}
        return 0
        ;;
    esac
  done <<END
$sockets
END
  return 1
}
# The list has no line's end. PROCESS
children_of() {
  line=
  { read -r line <"/proc/$1/task/$1/children"; } 2>/dev/null
  printf '%s' "$line"
}

# The process that has a socket: INODE. All are asked, since something is wrong.
who_holds() {
  ls -l /proc/[0-9]*/fd 2>/dev/null | wanted="socket:[$1]" awk -F / '
    /^\/proc\// { process = $3 }
    index($0, ENVIRON["wanted"]) { print process; exit }'
}
name_rival() { # PORT PROCESS
  program=
  { read -r program <"/proc/$2/comm"; } 2>/dev/null
  say "rival $served $((0x$1)) ${2:-0} $(one_line "$program")"
}
