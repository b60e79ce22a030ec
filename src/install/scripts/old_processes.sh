# shellcheck shell=sh disable=SC2034,SC2154
# Says `old SERVICE COUNT` where processes of a server outlive a reload: they serve what they read before it to the connections
# that they have. Setting: leaving (the services that leave such processes). Those that are about to end are waited for, where SETTLE is yes.
show_old() { # SETTLE
  for service in $leaving; do
    count=$(settle=$1 && "service_$service" old 2>/dev/null </dev/null)
    case $count in
      '' | 0 | *[!0-9]*) ;;
      *) say "old $service $count" ;;
    esac
  done
}
