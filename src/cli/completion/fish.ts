import { allNodes, type CompletionFlag, type CompletionNode } from "./tree.js";

export function fishCompletion(root: CompletionNode): string {
  const nodes = allNodes(root);
  const below = nodes.flatMap(({ subcommands }) => subcommands.map(({ path }) => quote(path)));
  return `# fish completion for punie. Load it with: punie completion fish | source
function __punie_at
    set -l command punie
    for word in (commandline -opc)[2..-1]
        switch "$command $word"
            case ${below.join(" ")}
                set command "$command $word"
        end
    end
    test "$command" = "$argv[1]"
end
${nodes.flatMap(lines).join("\n")}
`;
}

function lines({ path, words, flags }: CompletionNode): string[] {
  const at = `complete -c punie -n ${quote(`__punie_at ${quote(path)}`)}`;
  return [
    ...words.map(({ name, description }) => `${at} -f -a ${quote(name)}${descriptionOf(description)}`),
    ...flags.map((flag) => `${at}${namesOf(flag)}${valueFlags(flag)}${descriptionOf(flag.description)}`),
  ];
}

function namesOf({ names }: CompletionFlag): string {
  return names.map((name) => (name.startsWith("--") ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`)).join("");
}

/** A value that may be anything may be a file's name. */
function valueFlags({ takesValue, choices }: CompletionFlag): string {
  if (!takesValue) return "";
  return choices.length === 0 ? " -r" : ` -x -a ${quote(choices.join(" "))}`;
}

function descriptionOf(description: string): string {
  return description === "" ? "" : ` -d ${quote(description)}`;
}

/** In fish's single quotes a backslash escapes itself and the quote. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
