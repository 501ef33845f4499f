# SPDX-License-Identifier: Apache-2.0
# Completion of smmuctl for bash.
_smmuctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} choices
    case $before in
    --socket | --from) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --tables | tables) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    topology) choices="--dot --svg" ;;
    events) choices="--follow" ;;
    explain) choices=$(smmuctl --json devices 2>/dev/null | sed -n 's/.*"id": *"\([0-9a-f:.]*\)".*/\1/p') ;;
    release) choices=$(smmuctl units 2>/dev/null | sed -n '2,$s/ .*//p') ;;
    *)
        choices="status units registers devices objects mappings topology explain suggest events tables check reload confirm release
            --socket --from --json --help --version --open"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}
complete -F _smmuctl smmuctl
