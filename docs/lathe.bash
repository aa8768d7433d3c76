# bash completion of lathe; written by `lathe docs`
_lathe() {
  local word=${COMP_WORDS[COMP_CWORD]} options=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'ir inspect eval verify build tokenize template targets help docs --version' -- "$word"))
    return
  fi
  case ${COMP_WORDS[1]} in
    ir) options='--cache --passes --pipeline --after --after-all --dump-dir --time --dim --help ' ;;
    inspect) options='--cache --passes --pipeline --dim --json --help ' ;;
    eval) options='--cache --passes --pipeline --dump-dir --time --dim --in --random --out-dir --func --max-memory --max-steps --help ' ;;
    verify) options='--each --cpu --numerics --kv --dump-dir --time --dim --in --random --func --max-memory --max-steps --help ' ;;
    build) options='--output --target --cpu --emit --weights --jobs --debug --numerics --kv --quiet --cache --dump-dir --time --dim --func --help ' ;;
    tokenize) options='--file --decode --no-special --help ' ;;
    template) options='--messages --tools --no-generation-prompt --help ' ;;
    targets) options='--help ' ;;
    help) options='--help ' ;;
    docs) options='--help ' ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _lathe lathe
