# shellcheck shell=sh disable=SC2034,SC2154
# The leaves of a version in the archive, by whichever of its files tell them. Setting: version.
live=$archive/$version
all_ours=yes
show_active
say result shown
