# SPDX-License-Identifier: Apache-2.0
# Completion of smmuman's words for bash.
_smmuman() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} choices
    case $before in
    combine) choices="override merge" ;;
    unclaimed) choices="block bypass" ;;
    uncontained) choices="accept" ;;
    exit) choices="startup block" ;;
    ability) choices="attach target monitor admin" ;;
    attach | target | monitor | admin | limit) choices="user: group:" ;;
    widen) choices="refuse allow" ;;
    safety) choices="none warn required" ;;
    platform) choices="linux board" ;;
    takeover) choices="foreign" ;;
    debug) choices="1 2" ;;
    smmu) choices="vtd armsmmu armsmmuv3 rcar3 amdvi riscv virtio vfio" ;;
    vtd) choices="require ignore" ;;
    reserved) choices="none" ;;
    --tables) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    *)
        choices="allow device smmu unit combine unclaimed uncontained exit ability limit tables widen safety platform trial
            takeover socket foreground debug use reserved host blocked any --check --tables --safe-state --help --version"
        ;;
    esac
    if [[ $word == @* ]]; then
        mapfile -t COMPREPLY < <(compgen -P @ -f -X '!*.smmu' -- "${word#@}")
    else
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
    fi
}
complete -o nospace -F _smmuman smmuman
