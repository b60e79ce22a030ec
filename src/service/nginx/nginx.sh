# shellcheck shell=sh disable=SC2154
# nginx. Settings: binary, prefix, config, test_command, reload_command (may be empty), patience (seconds), may_start (yes:
# it is started where it is down).
# An encrypted key would ask for its pass phrase: standard input is empty.
nginx() { bounded "$binary" ${prefix:+-p "$prefix"} ${config:+-c "$config"} "$@" </dev/null; }

# What it was built with.
compiled() { "$binary" -V 2>&1 | tr ' ' '\n' | sed -n "s/^--$1=//p" | head -n 1; }

# Sets $path.
absolute() { # PATH
  path=$1
  case $path in
    /*) return ;;
  esac
  base=$prefix
  [ -n "$base" ] || base=$(compiled prefix)
  path=${base:-/usr/local/nginx}/$path
}

# Sets $main.
main_config() {
  main=$config
  if [ -z "$main" ]; then
    main=$(compiled conf-path)
    absolute "${main:-conf/nginx.conf}"
    main=$path
  fi
}

newline='
'

# Sets $pid_file and $logs (one a line), as far as they are not set, as the configuration on standard input names them in
# its main context. No further than they are needed: they mostly stand at the top, and the shell reads byte by byte.
read_context() { # LOGS (yes where they matter)
  depth=0
  text=
  while [ -z "$pid_file" ] || [ "$1$logs" = yes ]; do
    IFS= read -r line || [ -n "$line" ] || return 0
    case $line in
      '#'*) line= ;;
      *[[:blank:]]'#'*) line=${line%%[[:blank:]]'#'*} ;;
    esac
    while :; do
      text="$text ${line%%[;{\}]*}"
      case $line in
        *[\;{\}]*) rest=${line#*[;{\}]} ;;
        *) break ;;
      esac
      line=${line%"$rest"}
      case $depth$line in
        *'{') depth=$((depth + 1)) ;;
        *'}') depth=$((depth - 1)) ;;
        0*) take_directive "$text" ;;
      esac
      text=
      line=$rest
    done
  done
}
take_directive() { # TEXT
  set -f
  # shellcheck disable=SC2086
  set -- $1 '' ''
  set +f
  kind=$1
  value=${2#[\"\']}
  value=${value%[\"\']}
  case $kind:$value in
    pid:*) [ -n "$pid_file" ] || pid_file=$value ;;
    error_log:stderr | error_log:syslog:* | error_log:memory:*) ;;
    error_log:*)
      case $newline$logs in
        *"$newline$value$newline"*) ;;
        *) logs=$logs$value$newline ;;
      esac
      ;;
  esac
}

# The main file tells it even when the configuration is broken; `nginx -T` knows included files as well. LOGS: yes where
# they matter.
read_settings() { # LOGS
  main_config
  pid_file=
  logs=
  { read_context "$1" <"$main"; } 2>/dev/null
  if [ -z "$pid_file" ] || [ "$1$logs" = yes ]; then
    found=$(looking -T 2>/dev/null | { read_context "$1"; printf '%s\n%s' "$pid_file" "$logs"; })
    pid_file=${found%%"$newline"*}
    logs=${found#"$pid_file"}
  fi
  [ -n "$pid_file" ] || pid_file=$(compiled pid-path)
  absolute "${pid_file:-logs/nginx.pid}"
  pid_file=$path
}

# Sets $master, or in $problem why there is none: 3 where it does not run, 1 where that cannot be told.
find_master() {
  master=
  if [ ! -e "$pid_file" ]; then
    problem="nginx is not running: there is no pid file $pid_file"
    return 3
  fi
  if [ ! -r "$pid_file" ]; then
    problem="the pid file $pid_file is not readable"
    return 1
  fi
  read -r master <"$pid_file" || :
  case $master in
    '')
      # `nginx -t` makes an empty one where there is none.
      problem="nginx is not running: the pid file $pid_file is empty"
      return 3
      ;;
    *[!0-9]*)
      problem="the pid file $pid_file holds no process id"
      return 1
      ;;
  esac
  # Its own program, with processes below it. Only where that does not show is it asked for its title: the shell reads
  # that byte by byte.
  list_children
  { [ "/proc/$master/exe" -ef "$binary" ]; } 2>/dev/null && [ -n "$children" ] && return 0
  read_title "$master"
  case $title in
    *'master process'*) return 0 ;;
  esac
  problem="nginx is not running: the pid file $pid_file names process $master, which is no nginx master"
  return 3
}

# Sets $title; none of a process that is gone or dead. PROCESS
read_title() {
  title=
  # It ends with NUL, not with a line.
  { read -r title <"/proc/$1/cmdline"; } 2>/dev/null || :
}

# Sets $children, the master's, by the kernel's list of them. That may leave one out while another one ends, so it is
# asked twice.
list_children() {
  children=
  again=
  {
    read -r children <"/proc/$master/task/$master/children"
    read -r again <"/proc/$master/task/$master/children"
  } 2>/dev/null
  for process in $again; do
    case " $children " in
      *" $process "*) ;;
      *) children="$children $process" ;;
    esac
  done
}

# The same where the kernel does not tell: all processes are asked.
find_children() {
  [ -z "$children" ] || return 0
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    case ${line##*") "} in
      [A-Za-z]" $master "*) ;;
      *) continue ;;
    esac
    process=${stat#/proc/}
    children="$children ${process%/stat}"
  done
}

# Whether one of the master's children accepts connections. An old worker keeps its connections while it is "shutting
# down", but accepts no others; the cache manager and loader never do. PROCESS
accepts() {
  read_title "$1"
  case $title in
    '' | *'shutting down'* | *'cache '*) return 1 ;;
  esac
}

# The error logs that are files, each after its size: what comes later is about this reload.
mark_logs() {
  [ -n "$logs" ] || logs=$(compiled error-log-path)
  marks=
  set -f
  IFS=$newline
  for log in $logs; do
    absolute "$log"
    [ ! -f "$path" ] || [ ! -r "$path" ] || marks="$marks$(($(wc -c <"$path"))) $path$newline"
  done
  unset IFS
  set +f
  # For whoever asks for the end of the logs later.
  [ ! -f "${lock:-}.logs.${this_service:-}" ] || printf '%s' "$marks" >"$lock.logs.$this_service"
}

# The end of its logs since its reload, but for what is no problem; or of its unit's journal where no log is a file.
hook_words() {
  told=no
  while read -r size log; do
    told=yes
    # What others can put there is not read as root.
    ! is_shared "$log" || continue
    tail -c "+$((size + 1))" "$log" | grep -v -e ' \[notice\] ' -e ' \[info\] ' -e ' \[debug\] ' | tail -n 20
  done <"$lock.logs.$this_service"
  [ "$told" = no ] || return 0
  read_settings no
  find_master || return 0
  find_unit "$master"
  show_journal
}

# What has gone wrong since: what the master refused, what it could not start, and processes of this reload that died or ran out of
# something. Those from before tell of their own ends. A listen address that is taken is tried five times before the master gives
# up with "still could not bind()".
refusals() {
  printf '%s' "$marks" | while read -r size log; do tail -c "+$((size + 1))" "$log" 2>/dev/null; done |
    masters="$reloaded $master" before=$before children=$children awk '
      BEGIN {
        count = split(ENVIRON["masters"], part, " ")
        for (i = 1; i <= count; i++) master[part[i]] = 1
        count = split(ENVIRON["before"], part, " ")
        for (i = 1; i <= count; i++) old[part[i]] = 1
        count = split(ENVIRON["children"], part, " ")
        for (i = 1; i <= count; i++) new[part[i]] = !(part[i] in old)
      }
      $3 != "[emerg]" && $3 != "[alert]" { next }
      {
        process = $4
        sub(/#.*/, "", process)
      }
      process in master && $3 == "[emerg]" { print; next }
      process in master && / failed while spawning / { print; next }
      process in master && match($0, /process [0-9]+ exited (with fatal code|on signal)/) {
        ended = substr($0, RSTART + 8)
        sub(/ .*/, "", ended)
        if (ended in old) next
        if (ended in last) print last[ended]
        print
        next
      }
      process in old { next }
      new[process] && ($3 == "[emerg]" || /\((11|12|24): /) { print; next }
      $3 == "[emerg]" { last[process] = $0 }
    '
}
# Those that are final.
failed() { printf '%s\n' "$refused" | grep -v ': bind() to ' | grep -q .; }

nap() { sleep "$1" 2>/dev/null || sleep 1; }

hook_facts() {
  if [ ! -e "$binary" ]; then
    printf '%s does not exist\n' "$binary"
    return 1
  fi
  if [ ! -f "$binary" ] || [ ! -x "$binary" ]; then
    printf '%s is not executable\n' "$binary"
    return 1
  fi
  read_settings no
  find_master || {
    missing=$?
    printf '%s\n' "$problem"
    return "$missing"
  }
  printf '%s\n' "$master"
}

# Its version and whole configuration. What `nginx -T` refuses it would log before it knows the log that the
# configuration names; `-e` came with 1.19.5.
dump() {
  text=$(looking -e stderr -v -T 2>&1) && return
  case $text in
    *'invalid option: "e"'*) text=$(looking -v -T 2>&1) ;;
    *) return 1 ;;
  esac
}

# The files that its configuration names, what it says of connections that outlive a reload and of stapled OCSP answers; or why it
# would not take that as it is.
hook_reads() {
  if ! dump; then
    # Without the time and the process, which are others each time.
    words=$(printf '%s\n' "$text" | sed -n 's/^.*\[emerg\] \([0-9]*#[0-9]*: \)\{0,1\}//p' | head -n 1)
    printf 'broken %s\n' "${words:-$(printf '%s\n' "$text" | tail -n 1)}"
    return
  fi
  # Relative paths are seen from the main file's folder. Of paths with a variable, only clients decide.
  printf '%s\n' "$text" | awk '
    BEGIN { depth = 0 }
    /^nginx version: nginx\// {
      sub(/.*\//, "")
      print "setting version", $1
      next
    }
    /^# configuration file .*:$/ && base == "" {
      # What nginx said before it.
      text = ""
      base = $0
      sub(/^# configuration file /, "", base)
      sub(/\/[^\/]*:$/, "", base)
    }
    function full(path) {
      gsub(/["\047]/, "", path)
      return path ~ /^\// || index(path, "$") || path ~ /^(data|engine|store):/ ? path : base "/" path
    }
    function tell(kind, path) {
      path = full(path)
      if (index(path, "$")) { kind = "variable"; path = "" }
      else if (path ~ /^(data|engine|store):/) return
      if (!((kind, path) in told)) print kind, path
      told[kind, path] = 1
    }
    # A stapled answer is for the certificates of its block; where that has none, for whichever.
    function close_block() {
      if (staple[depth] != "") {
        if (used[depth] != "") print "of", used[depth]
        else print "of", "*"
        print "beside ocsp", staple[depth]
      }
      staple[depth] = used[depth] = ""
    }
    {
      sub(/(^|[ \t])#.*/, "")
      gsub(/[{};]/, "\n&\n")
      count = split($0, part, "\n")
      for (i = 1; i <= count; i++) {
        if (part[i] == ";") {
          # A path in quotes may have spaces in it.
          gsub(/[ \t]+$/, "", text)
          if (sub(/^[ \t]*ssl_certificate[ \t]+/, "", text)) { tell("certificate", text); used[depth] = full(text) }
          else if (sub(/^[ \t]*ssl_certificate_key[ \t]+/, "", text)) tell("key", text)
          else if (sub(/^[ \t]*ssl_stapling_file[ \t]+/, "", text)) staple[depth] = full(text)
          else if (depth < 2 && sub(/^[ \t]*(worker_shutdown_timeout|keepalive_min_timeout|keepalive_timeout)[ \t]+/, "&\001", text)) {
            split(text, value, "\001")
            gsub(/[ \t]/, "", value[1])
            sub(/[ \t].*/, "", value[2])
            print "setting", value[1], value[2]
          }
        }
        else if (part[i] == "{") depth++
        else if (part[i] == "}") { close_block(); depth-- }
        if (part[i] ~ /^[{};]$/) text = ""
        else text = text " " part[i]
      }
    }
    END { close_block() }
  '
}

hook_test() {
  if [ -n "$test_command" ]; then
    bounded sh -c "$test_command"
  elif [ -n "${rehearsal:-}" ]; then
    traceless -t
  else
    nginx -t
  fi
}

# Where it is down, and a person said that it may be: as its host starts it.
start() {
  if [ -n "$reload_command" ]; then
    bounded sh -c "$reload_command"
  elif [ -z "$config$prefix" ] && [ "$binary" = /usr/sbin/nginx ] && [ -d /run/systemd/system ]; then
    bounded systemctl start nginx
  else
    nginx
  fi
}

# How many old workers still have connections: they serve what they read before a reload.
hook_old() {
  read_settings no
  find_master || return 0
  looks=0
  while :; do
    find_children
    count=0
    for process in $children; do
      read_title "$process"
      case $title in
        *'shutting down'*) count=$((count + 1)) ;;
      esac
    done
    [ "$settle" = yes ] && [ "$count" != 0 ] && [ "$looks" -lt 4 ] || break
    looks=$((looks + 1))
    nap 0.1
    list_children
  done
  printf '%s\n' "$count"
}

# The exit code of `-s reload` only says that a signal was sent. Proof is that none of the workers
# that were there before accepts connections any more, and that another one does.
hook_reload() {
  read_settings yes
  find_master || {
    [ "${may_start:-no}" = no ] || { start; return; }
    printf '%s\n' "$problem"
    return 1
  }
  find_children
  reloaded=$master
  before=$children
  mark_logs
  if [ -n "$reload_command" ]; then
    bounded sh -c "$reload_command" || return 1
  elif [ -n "$test_command" ]; then
    nginx -s reload || return 1
  else
    # What `-s reload` does when it has read the whole configuration once more, which `-t` just did.
    kill -HUP "$master" || return 1
  fi
  clock
  deadline=$((clock + patience))
  # nginx reads its configuration, and then gives new workers 100 ms before it stops old ones: nothing to see before.
  nap 0.15
  looks=0
  while :; do
    if find_master; then
      find_children
      old=
      new=
      for process in $children; do
        case " $before " in
          *" $process "*) ! accepts "$process" || old="$old $process" ;;
          *) [ -n "$new" ] || ! accepts "$process" || new=$process ;;
        esac
      done
      if [ -n "$new" ] && [ -z "$old" ]; then
        # Other new ones may have died at once.
        [ -n "$marks" ] || return 0
        refused=$(refusals)
        failed || return 0
        printf '%s\n' "$refused"
        return 1
      fi
      problem="workers that have not taken the new configuration still accept connections:$old"
    fi
    looks=$((looks + 1))
    clock
    # Its logs are read now and then, since that takes several processes; and at the end.
    if [ $((looks % 3)) = 0 ] || [ "$clock" -ge "$deadline" ]; then
      refused=$(refusals)
      if failed; then
        printf '%s\n' "$refused"
        return 1
      fi
      if [ "$clock" -ge "$deadline" ]; then
        [ -z "$refused" ] || printf '%s\n' "$refused"
        printf 'after %s s %s\n' "$patience" "$problem"
        return 1
      fi
    fi
    nap 0.1
  done
}
