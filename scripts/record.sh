#!/usr/bin/env bash
# Makes docs/kill-a-stage.svg, the recording in README.md: ask-docs answers a question from 200 MB of text in seven
# processes, one of them is killed in the middle, and the answer is that of one process, byte for byte.
#
#     scripts/record.sh             # two minutes on two cores; needs asciinema, jq and tmux
#     scripts/record.sh --install   # gets those by apt-get first, as root: all that a fresh machine with Node needs
#
# A terminal of three panes (tmux) is recorded (asciinema) while commands are typed into it, and made into a picture
# (svg-term-cli, by npx). Nothing is made up: what is seen is what was printed, and only pauses are shortened. There is
# no picture if the killed process had no batch, or if the answers differ.
#
# The commands run in a temporary folder with links into the checkout, so that paths are short and the same everywhere.
# At last, and after Ctrl-C, all that was started is ended and the folder is removed.
set -euo pipefail

readonly MEGABYTES=200
readonly QUESTION='where does the lighthouse keeper hide the brass key?'
readonly SVG_TERM=svg-term-cli@2.1.1

# The panes, from above: `sluice up`, who asks, and who looks and kills.
readonly UP=0 ASK=1 LOOK=2
readonly WIDTH=114 UP_ROWS=4 ASK_ROWS=12 LOOK_ROWS=18
readonly ROWS=$((UP_ROWS + 1 + ASK_ROWS + 1 + LOOK_ROWS))

# Seconds to read what was typed, and what was printed; how long nothing happens in the picture, and at its end.
readonly TYPED=0.7 PRINTED=0.8 LONGEST_PAUSE=0.8 LAST_PAUSE=5

root=$(cd "$(dirname "$0")/.." && pwd)
folder=
recorder=

main() {
  check_tools "$@"
  cd "$root"
  [ -d node_modules ] || npm ci
  npm run --silent build

  folder=$(mktemp -d)
  cd "$folder"
  prepare
  open_terminal
  play
  close_terminal
  make_picture
}

check_tools() {
  local missing=() tool
  for tool in asciinema jq tmux; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "${1-}" = --install ] || fail "needs ${missing[*]}; with --install they are got by apt-get"
  apt-get update
  apt-get install -y --no-install-recommends "${missing[@]}"
}

prepare() {
  ln -s "$root"/{examples,node_modules,package.json,src,tsconfig.json} .
  mkdir bin log
  printf '#!/bin/sh\nexec node "%s" "$@"\n' "$root/dist/cli/main.js" >bin/sluice
  chmod +x bin/sluice
  node --import tsx "$root/test/support/big-text.ts" big.txt $MEGABYTES >planted
  printf '{"question":"%s",\n "files":[{"path":"big.txt","name":"big.txt"}]}\n' "$QUESTION" >ask.json
  # The stages find each other here, and write down what becomes of each call.
  export PATH="$folder/bin:$PATH" SLUICE_FILE_DIR="$folder/found" SLUICE_EVENT_LOG="$folder/log"
}

play() {
  run $ASK 'cat ask.json; wc -c big.txt'
  until_printed $ASK
  run $ASK "npm start -s -- \"$QUESTION\" big.txt > one.txt 2> /dev/null"
  until_printed $ASK

  run $UP 'sluice up examples/ask-docs/pipeline.ts --scale bm25=2'
  until_true has_replicas 2
  sleep $PRINTED
  local pid lost
  pid=$(replicas | head -n 1)

  local ask='sluice call ask-docs.writer.generate @ask.json'
  run $ASK "$ask | tee items | jq --unbuffered -j '.text//empty' | tee six.txt"
  until_true has_read $((MEGABYTES * 450000))
  run $LOOK 'sluice ls; tail -n 1 items'
  until_printed $LOOK
  # Frozen first: once all others wait for it, it surely has batches.
  run $LOOK "kill -STOP $pid; sleep 1; kill -9 $pid; sluice ls ask-docs.bm25"
  until_printed $LOOK
  until_true has_replicas 2
  run $LOOK 'sluice ls ask-docs.bm25; tail -n 1 items'
  until_printed $LOOK
  until_printed $ASK

  run $LOOK 'grep -h call.refused log/* | grep -c unavailable  # batches lost with the process, and given to another'
  until_printed $LOOK
  run $LOOK 'cmp one.txt six.txt && echo "equal, byte for byte"'
  until_printed $LOOK

  cmp one.txt six.txt || fail 'the answers differ'
  lost=$(grep -h call.refused log/* | grep -c unavailable) || fail 'the killed process had no batch'
  say "the answers are equal; batches lost: $lost"
}

replicas() {
  sluice ls --json ask-docs.bm25 | jq .pid
}

has_replicas() {
  [ "$(replicas | wc -l)" = "$1" ]
}

# Whether whoever asked has been told that so many bytes are read.
has_read() {
  local bytes
  bytes=$(grep -o '"bytesRead":[0-9]*' items | tail -n 1 | tr -dc 0-9)
  [ "${bytes:-0}" -ge "$1" ]
}

# --- The terminal

terminal() {
  tmux -u -S "$folder/tmux" "$@"
}

open_terminal() {
  local pane shell=(env 'PS1=$ ' bash --norc --noprofile)
  export LC_ALL=C.UTF-8 TERM=xterm-256color ASCIINEMA_CONFIG_HOME="$folder"
  unset TMUX
  terminal -f /dev/null new-session -d -x $WIDTH -y $ROWS "${shell[@]}"
  terminal set -g status off
  terminal set -g default-terminal $TERM
  terminal set -g pane-border-style fg=brightblack
  terminal set -g pane-active-border-style fg=brightblack
  terminal split-window -v -l $((ROWS - UP_ROWS - 1)) "${shell[@]}"
  terminal split-window -v -l $LOOK_ROWS "${shell[@]}"
  for pane in $UP $ASK $LOOK; do until_true is_at_prompt $pane; done
  # In a session of its own: the terminal that this runs in is none of its business.
  setsid asciinema rec -q --cols $WIDTH --rows $ROWS -c 'tmux -u -S tmux attach' cast </dev/null >/dev/null &
  recorder=$!
  until_true is_recorded
}

is_recorded() {
  [ -n "$(terminal list-clients)" ]
}

# Types a command into a pane.
run() {
  terminal select-pane -t "$1"
  terminal send-keys -t "$1" -l "$2"
  sleep $TYPED
  terminal send-keys -t "$1" Enter
  sleep 0.3
}

is_at_prompt() {
  [ "$(terminal capture-pane -p -t "$1" | grep . | tail -n 1)" = '$' ]
}

# Until the command in a pane has ended, and can be read.
until_printed() {
  until_true is_at_prompt "$1"
  sleep $PRINTED
}

until_true() {
  local tries
  for ((tries = 0; tries < 3000; tries++)); do
    ! "$@" || return 0
    sleep 0.1
  done
  fail "waited in vain: $*"
}

# Everything runs in the terminal, and is ended as one ends it there: by Ctrl-C, and then by closing it.
close_terminal() {
  [ -S "$folder/tmux" ] || return 0
  local seconds
  terminal detach-client || true
  terminal send-keys -t $ASK C-c
  for ((seconds = 0; seconds < 20; seconds++)); do
    ! is_at_prompt $UP || break
    # Once lets it finish, and once more ends it at once.
    [ $((seconds % 5)) != 0 ] || terminal send-keys -t $UP C-c
    sleep 1
  done
  terminal kill-server
  rm -f "$folder/tmux"
  [ -z "$recorder" ] || wait "$recorder" || true
  recorder=
}

# --- The picture

make_picture() {
  # Up to where tmux gives the screen back.
  jq -nc --argjson most $LONGEST_PAUSE '
    input,
    foreach (label $left | inputs | if .[2] | contains("\u001b[?1049l") then break $left else . end) as [$at, $_, $text]
      ({ now: 0, was: 0 }; { now: (.now + ([$at - .was, $most] | min)), was: $at }; [.now, "o", $text])
  ' cast >shortened
  jq -nc --argjson last $LAST_PAUSE '[inputs | arrays] | [last[0] + $last, "o", "\u001b[m"]' shortened >end
  cat end >>shortened
  npx --yes $SVG_TERM --in shortened --out picture.svg --padding 12
  # With a viewBox it can be shown smaller.
  sed -E '1s/width="([0-9.]+)" height="([0-9.]+)"/viewBox="0 0 \1 \2" &/' picture.svg >"$root/docs/kill-a-stage.svg"
  say "docs/kill-a-stage.svg: $(jq .[0] end | cut -d . -f 1) s, $(wc -c <"$root/docs/kill-a-stage.svg") bytes"
}

# ---

say() {
  printf 'record: %s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

leave() {
  local code=$?
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  if [ -n "$folder" ]; then
    close_terminal
    cd "$root"
    rm -rf "$folder"
  fi
  exit $code
}

trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

main "$@"
