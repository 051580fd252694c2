/** Whose message it is: zod's, of one thing that does not fit. */
interface Issue {
  message: string;
}

/** What was expected of a value, without the words that zod puts before it, such as "Invalid input: ". */
export function issueText(issue: Issue | undefined): string {
  return issue?.message.replace(/^(?:Invalid (?:input|option)|Too (?:small|big)): /, "") ?? "not what was expected";
}
