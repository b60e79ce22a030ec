# shellcheck shell=sh disable=SC2154
# A file without what could be a key: PEM blocks, values of `inline_bytes` and `inline_string`, and long runs of base64.
# Setting: path. The program keeps to what POSIX guarantees of awk: no intervals, no `\<`, no functions of one vendor.
[ -r "$path" ] || exit 66
LC_ALL=C awk '
  {
    sub(/\r$/, "")
    text = text $0 "\n"
  }

  # All that is in PEM, over as many lines as it takes. One that has no end leaves out the rest.
  function without_pem(text,    kept, from, rest) {
    kept = ""
    while ((from = index(text, "-----BEGIN")) > 0) {
      kept = kept substr(text, 1, from - 1) "left-out"
      rest = substr(text, from)
      if (!match(rest, /-----END[^\n-]*(-----)?/)) return kept "\n"
      text = substr(rest, RSTART + RLENGTH)
    }
    return kept text
  }

  # Values that Envoy takes a key from, however they are written: quoted over several lines, as a block, or plain.
  function without_inline(text,    kept, line, indent, value, more, in_flow) {
    kept = ""
    while (match(text, /inline_?([bB]ytes|[sS]tring)["\047]?([ \t]*(#[^\n]*)?\n)*[ \t]*:[ \t]*/)) {
      kept = kept substr(text, 1, RSTART + RLENGTH - 1) "left-out"
      value = substr(text, RSTART + RLENGTH)
      line = kept
      while ((more = index(line, "\n")) > 0) line = substr(line, more + 1)
      in_flow = index(line, "{")
      match(line, /^[ \t-]*/)
      indent = RLENGTH
      # A tag or an anchor comes before the value.
      while (match(value, /^[!&][^ \t\n]*[ \t]*/)) value = substr(value, RLENGTH + 1)
      # A value in quotes may begin on a later line, wherever that is indented.
      line = value
      while (match(line, /^[ \t]*(#[^\n]*)?\n/)) line = substr(line, RLENGTH + 1)
      sub(/^[ \t]+/, "", line)
      if (line ~ /^["\047]/) value = line
      if (value ~ /^"/) {
        if (!match(value, /^"([^"\\]|\\(.|\n))*"/)) return kept "\n"
        text = substr(value, RLENGTH + 1)
        continue
      }
      if (value ~ /^\047/) {
        if (!match(value, /^\047([^\047]|\047\047)*\047/)) return kept "\n"
        text = substr(value, RLENGTH + 1)
        continue
      }
      # Only between braces a comma ends one that is plain.
      if (in_flow) match(value, /^[^,}\n]*/)
      else match(value, /^[^\n]*/)
      value = substr(value, RLENGTH + 1)
      # What follows and is indented deeper is still the value, after empty lines and comments as well.
      while (value ~ /^\n/) {
        line = substr(value, 2)
        if (line == "") break
        match(line, /^[ \t]*/)
        more = RLENGTH
        if (more <= indent && substr(line, more + 1, 1) !~ /[\n#]/) break
        match(line, /^[^\n]*/)
        value = substr(line, RLENGTH + 1)
      }
      text = value
    }
    return kept text
  }

  # Lines of nothing but base64, and long runs of it elsewhere; the shortest private key (Ed25519, PKCS #8) has 64
  # characters. A run that begins with a slash is a path.
  function without_runs(line,    kept, bare, run) {
    bare = line
    gsub(/^[ \t"\047-]+|[ \t"\047,\\]+$/, "", bare)
    if (bare != "" && bare !~ /[^A-Za-z0-9+\/=_-]/ && (wrapped || length(bare) >= 40)) {
      wrapped = 1
      match(line, /^[ \t]*/)
      return substr(line, 1, RLENGTH) "left-out"
    }
    wrapped = 0
    kept = ""
    while (match(line, /[A-Za-z0-9+\/=_-]+/)) {
      run = substr(line, RSTART, RLENGTH)
      if (RLENGTH >= 64 && run !~ /^\//) {
        run = "left-out"
        wrapped = 1
      }
      kept = kept substr(line, 1, RSTART - 1) run
      line = substr(line, RSTART + RLENGTH)
    }
    return kept line
  }

  END {
    text = without_inline(without_pem(text))
    count = split(text, lines, "\n")
    for (i = 1; i < count; i++) print without_runs(lines[i])
  }
' "$path"
