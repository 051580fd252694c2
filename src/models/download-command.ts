/**
 * The command that downloads a model, ready to be typed into a shell.
 *
 * @param modelsDir Only when it was given as an option: one from the environment holds for the command as well.
 */
export function downloadCommand(repository: string, modelsDir?: string): string {
  const command = `punie download-model ${repository}`;
  return modelsDir === undefined ? command : `${command} --models-dir ${shellQuote(modelsDir)}`;
}

/** A word as a POSIX shell reads it back, quoted only when it has to be. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
