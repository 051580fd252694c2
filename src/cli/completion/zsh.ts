import { allNodes, type CompletionNode, type CompletionWord, descents, quoted, valueFlags } from "./tree.js";

/** Works both sourced and as a file `_punie` in a directory of `fpath`. */
export function zshCompletion(root: CompletionNode): string {
  const values = valueFlags(root);
  const free = values.filter(({ choices }) => choices.length === 0).flatMap(({ patterns }) => patterns);
  const chosen = values.filter(({ choices }) => choices.length > 0);
  return `#compdef punie
# zsh completion for punie. Load it, after compinit, with: source <(punie completion zsh)
_punie() {
  local command=punie word
  local -a entries flags
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$command $word" in
      (${descents(root).join(" | \\\n      ")}) command="$command $word" ;;
    esac
  done
  case "$command \${words[CURRENT-1]}" in
${chosen.map(({ patterns, choices }) => `    (${patterns.join(" | ")}) compadd -- ${choices.map(quoted).join(" ")}; return ;;`).join("\n")}
    (${free.join(" | \\\n    ")}) _files; return ;;
  esac
  case "$command" in
${allNodes(root).map(branch).join("\n")}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o option flags
  elif (( \${#entries} )); then
    _describe command entries
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _punie ]]; then
  _punie "$@"
else
  compdef _punie punie
fi
`;
}

function branch({ path, words, flags }: CompletionNode): string {
  const options = flags.flatMap(({ names, description }) => names.map((name) => ({ name, description })));
  return `    (${quoted(path)})
      entries=(${words.map(entry).join(" ")})
      flags=(${options.map(entry).join(" ")}) ;;`;
}

/** The first colon parts the name from its description. */
function entry({ name, description }: CompletionWord): string {
  return quoted(description === "" ? name : `${name}:${description}`);
}
