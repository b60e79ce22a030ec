# shellcheck shell=sh disable=SC2154
# Carries standard input to a socket and the answer back, with whatever the host has. Indentation is lost on the
# way to the host, so Python has to do without. Settings: socket, patience (seconds).
if command -v socat >/dev/null 2>&1; then
  case $socket in
    *[,:!]*) ;;
    *) exec socat -t "$patience" - "UNIX-CONNECT:$socket" ;;
  esac
fi
for python in python3 python /usr/libexec/platform-python; do
  command -v "$python" >/dev/null 2>&1 || continue
  exec "$python" -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(float(sys.argv[2]))
s.connect(sys.argv[1])
s.sendall(getattr(sys.stdin, "buffer", sys.stdin).read())
s.shutdown(socket.SHUT_WR)
out = getattr(sys.stdout, "buffer", sys.stdout)
for part in iter(lambda: s.recv(65536), b""): out.write(part)
' "$socket" "$patience"
done
if command -v perl >/dev/null 2>&1; then
  exec perl -MIO::Socket::UNIX -e '
alarm $ARGV[1];
my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "connect to $ARGV[0]: $!\n";
local $/; my $all = <STDIN>; print $s $all; $s->flush; shutdown($s, 1); print <$s>;
' "$socket" "$patience"
fi
case $(nc -h 2>&1) in
  *-U*-N* | *-N*-U*) exec nc -w "$patience" -N -U "$socket" ;;
  *-NU* | *U*unix*) exec nc -w "$patience" -U "$socket" ;;
esac
echo 'no socat, python, perl or nc that could reach the socket' >&2
exit 69
