# SPDX-License-Identifier: Apache-2.0
# Completion of smmuctl for fish.
complete -c smmuctl -f -n __fish_use_subcommand -a '\
    status units registers devices objects mappings topology explain suggest events \
    tables check reload confirm release'
complete -c smmuctl -l socket -r -d 'where the service listens'
complete -c smmuctl -l from -r -d 'a status document instead of the service'
complete -c smmuctl -l json
complete -c smmuctl -n '__fish_seen_subcommand_from topology' -l dot
complete -c smmuctl -n '__fish_seen_subcommand_from topology' -l svg
complete -c smmuctl -n '__fish_seen_subcommand_from events' -l follow
complete -c smmuctl -n '__fish_seen_subcommand_from release' -l open
