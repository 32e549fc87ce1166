"""What each shell needs to ask ``fw`` for completions: a script that calls it with ``FRAMEWORK_COMPLETE`` set.

The words up to the cursor are handed over as arguments. Each line of the answer is a completion, a tab, and what it
is for; one that does not end in ``=``, ``.`` or ``/`` is a whole word.
"""

from __future__ import annotations

BASH = """\
# Completion of fw in bash. For this shell:     source <(fw completion bash)
# For every shell:   fw completion bash > ~/.local/share/bash-completion/completions/fw
_fw() {
    # Bash takes = and : for ends of words; fw gets whole words, and only what follows the last of them is replaced.
    local line="${COMP_LINE:0:COMP_POINT}" words current broken
    read -r -a words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    current="${words[${#words[@]}-1]}"
    broken="${current%"${current##*[=:]}"}"
    COMPREPLY=()
    local found
    while IFS=$'\\t' read -r found _; do
        [[ -n "$found" ]] && COMPREPLY+=("${found#"$broken"}")
    done < <(FRAMEWORK_COMPLETE=bash "${words[0]}" "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[=./] ]]; then
        compopt -o nospace
    fi
}
complete -F _fw fw
"""

ZSH = """\
#compdef fw
# Completion of fw in zsh. For this shell:     source <(fw completion zsh)
# For every shell:   fw completion zsh > DIRECTORY_OF_FPATH/_fw
_fw() {
    local -a whole open
    local found about shown
    while IFS=$'\\t' read -r found about; do
        shown="${found//:/\\\\:}${about:+:$about}"
        case "$found" in
            *[=./]) open+=("$shown") ;;
            *) whole+=("$shown") ;;
        esac
    done < <(FRAMEWORK_COMPLETE=zsh "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#open} )) && _describe -t settings 'fw' open -S '' -U
    (( ${#whole} )) && _describe -t words 'fw' whole -U
}
if [[ "${funcstack[1]}" == "_fw" ]]; then
    _fw "$@"
else
    compdef _fw fw
fi
"""

FISH = """\
# Completion of fw in fish. For this shell:     fw completion fish | source
# For every shell:   fw completion fish > ~/.config/fish/completions/fw.fish
function __fw_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    FRAMEWORK_COMPLETE=fish $words[1] $words[2..-1] "$current" 2>/dev/null
end
complete --command fw --no-files --arguments '(__fw_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
