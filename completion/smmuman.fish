# SPDX-License-Identifier: Apache-2.0
# Completion of smmuman's words for fish.
function __smmuman_words
    switch (commandline -opc)[-1]
        case combine
            printf '%s\n' override merge
        case unclaimed
            printf '%s\n' block bypass
        case uncontained
            echo accept
        case exit
            printf '%s\n' startup block
        case ability
            printf '%s\n' attach target monitor admin
        case attach target monitor admin limit
            printf '%s\n' user: group:
        case widen
            printf '%s\n' refuse allow
        case safety
            printf '%s\n' none warn required
        case platform
            printf '%s\n' linux board
        case takeover
            echo foreign
        case debug
            printf '%s\n' 1 2
        case smmu
            printf '%s\n' vtd armsmmu armsmmuv3 rcar3 amdvi riscv virtio vfio
        case vtd
            printf '%s\n' require ignore
        case reserved
            echo none
        case '*'
            printf '%s\n' allow device smmu unit combine unclaimed uncontained exit ability limit tables widen safety \
                platform trial takeover socket foreground debug use reserved host blocked any
    end
end
complete -c smmuman -f -a '(__smmuman_words)'
complete -c smmuman -l check -d 'say what a start would find, and touch nothing'
complete -c smmuman -l tables -r -d 'firmware tables from a folder'
complete -c smmuman -l safe-state -d 'block what clients of a service that is gone left open'
complete -c smmuman -l help
complete -c smmuman -l version
