import { allNodes, type CompletionNode, descents, quoted, valueFlags } from "./tree.js";

/** For bash 3.2 (macOS) and later. A list that is left empty makes bash complete file names. */
export function bashCompletion(root: CompletionNode): string {
  const values = valueFlags(root);
  const free = values.filter(({ choices }) => choices.length === 0).flatMap(({ patterns }) => patterns);
  const chosen = values.filter(({ choices }) => choices.length > 0);
  return `# bash completion for punie. Load it with: source <(punie completion bash)
_punie() {
  local IFS=$' \\t\\n' current=\${COMP_WORDS[COMP_CWORD]} command=punie words= flags= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
      ${descents(root).join(" | \\\n      ")}) command="$command \${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$command \${COMP_WORDS[COMP_CWORD - 1]}" in
${chosen.map(({ patterns, choices }) => `    ${patterns.join(" | ")}) COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$current")); return ;;`).join("\n")}
    ${free.join(" | \\\n    ")}) return ;;
  esac
  case "$command" in
${allNodes(root).map(branch).join("\n")}
  esac
  case "$current" in
    -*) words=$flags ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _punie punie
`;
}

function branch({ path, words, flags }: CompletionNode): string {
  const names = words.map(({ name }) => name).join(" ");
  return `    ${quoted(path)}) words=${quoted(names)}; flags=${quoted(flags.flatMap(({ names }) => names).join(" "))} ;;`;
}
