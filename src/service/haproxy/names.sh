# shellcheck shell=sh disable=SC2154
# Which certificates HAProxy's configuration names as it is on the disk (Configuration Manual: 2.2, `bind`'s `crt` and `crt-list`,
# `crt-base`, `default-path`, `crt-store`). Settings: config (a file, or a folder of `*.cfg`), certificates (one a line), crt_list.
newline='
'
hook_names() { read_names | tell_files; }
# The names that certificate stores give: `NAME PATH`, one a line.
hook_aliases() { read_names | sed -n 's/^alias //p'; }
read_names() {
  set -- "$config"
  [ ! -d "$config" ] || set -- "$config"/*.cfg
  [ -r "$1" ] || return 0
  # Words are cut as HAProxy does. What an environment variable or a condition decides is not known here, nor where it was started.
  awk '
    function hex(text) { return index("0123456789abcdef", tolower(text)) - 1 }
    function cut(line,   i, c, quote, open, count) {
      split("", word)
      count = open = 0
      quote = ""
      for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (quote == "\047" && c != "\047") add = c
        else if (c == "\\" && quote != "\047") {
          c = substr(line, ++i, 1)
          if (c == "n" || c == "r") add = " "
          else if (c == "t") add = "\t"
          else if (c == "x") {
            add = sprintf("%c", hex(substr(line, i + 1, 1)) * 16 + hex(substr(line, i + 2, 1)))
            i += 2
          }
          else if (index(" \t#\\\047\"", c) || (quote == "\"" && c == "$")) add = c
          else add = "\\" c
        }
        else if (c == "\047" && quote != "\"" || c == "\"" && quote != "\047") {
          quote = quote == "" ? c : ""
          add = ""
        }
        else if (quote == "" && c == "#") break
        else if (quote == "" && (c == " " || c == "\t" || c == "\r")) { open = 0; continue }
        else {
          # A variable: a path with this in it is not known.
          add = c == "$" && quote == "\"" ? "\001" : c
        }
        if (!open) { open = 1; word[++count] = "" }
        word[count] = word[count] add
      }
      return count
    }
    function under(base, path) { return path ~ /^[\/@]/ || base == "" ? path : base "/" path }
    function placed(path) { return path ~ /^\// ? path : from == "" ? "" : from "/" path }
    function tell(kind, path) {
      if (path ~ /^@/) return
      path = placed(path)
      if (path == "" || index(path, "\001")) { print "variable"; return }
      # A line holds one path.
      gsub(/[\001-\037]/, " ", path)
      if (!((kind, path) in told)) print kind, path
      told[kind, path] = 1
    }
    function tell_list(path,   line, part) {
      tell("list", path)
      path = placed(path)
      if (path == "" || index(path, "\001")) return
      while ((getline line < path) > 0) {
        sub(/^[ \t]+/, "", line)
        sub(/[ \t\r[].*/, "", line)
        if (line != "" && line !~ /^#/) tell("crt", under(crt_base, line))
      }
      close(path)
    }
    # What idle connections of a part with TLS meet at a reload. HTTP alone keeps them between requests.
    function close_section() {
      if ((kind == "frontend" || kind == "listen") && tls && mode == "http" && idle == "closed")
        idles = idles (idles == "" ? "" : ", ") section
      if (kind == "defaults") {
        modes[section] = modes["\001last"] = mode
        idle_of[section] = idle_of["\001last"] = idle
      }
    }
    END {
      close_section()
      if (idles != "") print "setting idle-closed", idles
    }
    FNR == 1 {
      folder = FILENAME
      sub(/\/[^\/]*$/, "", folder)
      from = policy == "config" ? folder : policy == "parent" ? folder "/.." : policy == "origin" ? origin : ""
    }
    /^[ \t]*\.(if|elif|else)/ { print "variable" }
    /^[ \t]*(global|defaults|frontend|listen|backend|peers|log-forward|resolvers|userlist|crt-store|cache|program|ring|mailers|traces|acme)([ \t\r#]|$)/ {
      close_section()
      kind = $1
      section = $2
      tls = 0
      above = "\001last"
      for (i = 3; i < NF; i++) if ($i == "from") above = $(i + 1)
      mode = kind != "defaults" || above != "\001last" ? modes[above] : ""
      idle = kind != "defaults" || above != "\001last" ? idle_of[above] : ""
      if (mode == "") mode = "tcp"
      if (idle == "") idle = "closed"
      in_store = $1 ~ /^crt-store/
      store = $2 ~ /^#/ ? "" : $2
      gsub(/["\047\r]/, "", store)
      store_base = store_keys = ""
    }
    $1 == "mode" { mode = $2 }
    $1 == "option" && $2 ~ /^(idle-close-on-response|httpclose)$/ { idle = "answered" }
    $1 == "no" && $2 == "option" && $3 == "idle-close-on-response" { idle = "closed" }
    $1 == "bind" && /[ \t]ssl([ \t\r#]|$)/ { tls = 1 }
    $1 == "hard-stop-after" { print "setting hard-stop-after", $2 }
    $1 == "ssl-load-extra-files" {
      sub(/#.*/, "")
      print "extra", $0
    }
    !/crt|default-path|key-base|del-ext/ { next }
    {
      count = cut($0)
      first = word[1]
      if (first == "default-path") {
        policy = word[2]
        origin = word[3]
        from = policy == "config" ? folder : policy == "parent" ? folder "/.." : policy == "origin" ? origin : ""
      }
      else if (first == "crt-base" || first == "key-base") {
        if (first == "key-base") { if (in_store) store_keys = word[2]; else key_base = word[2] }
        else if (in_store) store_base = word[2]
        else crt_base = word[2]
      }
      else if (first == "ssl-load-extra-del-ext") print "del-ext"
      else if (first == "load" && in_store) {
        crt = name = ""
        for (i = 2; i < count; i += 2) {
          if (word[i] == "crt") crt = word[i + 1]
          else if (word[i] == "alias") name = word[i + 1]
        }
        # Without an alias it is known by the path as it is written, unless that is absolute.
        if (name == "" && crt !~ /^\//) name = crt
        path = placed(under(store_base == "" ? crt_base : store_base, crt))
        if (name != "" && path != "" && !index(path name, "\001")) print "alias", "@" store "/" name, path
        for (i = 2; i < count; i += 2) {
          if (word[i] == "crt") tell("crt", under(store_base == "" ? crt_base : store_base, word[i + 1]))
          else if (word[i] == "key") tell("key", under(store_keys == "" ? key_base : store_keys, word[i + 1]))
        }
        for (i = 2; i < count; i += 2) {
          if (word[i] ~ /^(ocsp|sctl|issuer)$/ && index(word[i + 1], "\001") == 0) print "beside", word[i], placed(word[i + 1])
        }
      }
      else if (first == "bind" || first == "default-bind" || first == "ssl-f-use") {
        for (i = 2; i < count; i++) {
          if (word[i] == "crt") tell("crt", under(crt_base, word[++i]))
          else if (word[i] == "crt-list") tell_list(word[++i])
        }
      }
    }
  ' "$@" 2>/dev/null
}

# From files and folders to certificates and keys.
tell_files() {
  del_ext=no
  extra=all
  whose=nobody
  while read -r kind path; do
    case $kind in
      variable) echo variable ;;
      setting | beside) printf '%s %s\n' "$kind" "$path" ;;
      del-ext) del_ext=yes ;;
      extra) extra=$path ;;
      key) printf 'key %s\n' "$path" ;;
      list) tell_joining "$path" ;;
      crt)
        if [ -d "$path" ]; then
          tell_joining "$path"
          for file in "${path%/}"/*; do
            case $file in
              *.key | *.issuer | *.ocsp | *.sctl) ;;
              *) [ ! -f "$file" ] || tell_one "$file" ;;
            esac
          done
        elif [ ! -e "$path" ] && { [ -e "$path.rsa" ] || [ -e "$path.ecdsa" ] || [ -e "$path.dsa" ]; }; then
          for file in "$path.rsa" "$path.ecdsa" "$path.dsa"; do
            [ ! -e "$file" ] || tell_one "$file"
          done
        else
          tell_one "$path"
        fi
        ;;
    esac
  done
  [ "$whose" != others ] || ! is_part || echo variable
}
# Whether HAProxy may have more of a configuration than this: it runs with another one besides, or a test of somebody's own knows better.
is_part() {
  [ -z "$test_command" ] || return 0
  for process in /proc/[0-9]*/cmdline; do
    # Shells leave out the end of each word.
    line=
    { read -r line <"$process"; } 2>/dev/null || :
    case $line in
      *haproxy*-f*-f*) ;;
      *) continue ;;
    esac
    case $line in
      *-f"$config"*) return 0 ;;
    esac
  done
  return 1
}
# Under the name that the playbook has for it, where it is the same file.
tell_one() {
  file=$1
  [ "$whose" = ours ] || whose=others
  set -f
  IFS=$newline
  for one in $certificates; do
    if [ "$1" = "$one" ] || [ "$1" -ef "$one" ]; then
      file=$one
      whose=ours
    fi
  done
  unset IFS
  set +f
  printf 'certificate %s\n' "$file"
  # What belongs to the certificate is read from beside it, too (`ssl-load-extra-files`).
  base=$1
  [ "$del_ext" = no ] || base=${1%.crt}
  for kind in ocsp sctl issuer; do
    case " $extra " in
      *" all "* | *" $kind "*) [ ! -e "$base.$kind" ] || printf 'beside %s %s\n' "$kind" "$base.$kind" ;;
    esac
  done
  # What the file lacks is read from one beside it.
  [ ! -e "$1.key" ] || printf 'key %s\n' "$1.key"
  if [ "$del_ext" = yes ] && [ -e "${1%.*}.key" ]; then printf 'key %s\n' "${1%.*}.key"; fi
}
# The list, or folder, that our certificates join.
tell_joining() {
  [ -n "$crt_list" ] && [ "$1" -ef "$crt_list" ] || return 0
  whose=ours
  set -f
  IFS=$newline
  for one in $certificates; do printf 'certificate %s\n' "$one"; done
  unset IFS
  set +f
}

# Those, or why it would not take its configuration as it is.
hook_reads() {
  if ! text=$(check_config 2>&1); then
    words=$(printf '%s\n' "$text" | sed -n 's/^\[ALERT\][^(]*([0-9]*) : //p' | head -n 1)
    printf 'broken %s\n' "${words:-$(printf '%s\n' "$text" | tail -n 1)}"
    return
  fi
  hook_names
}
