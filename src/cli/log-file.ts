/** The log of the long-running commands: a file, never stdout. */
import { appendFileSync, renameSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { PunieError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogFileOptions {
  /** Default `~/.punie/logs`. */
  directory?: string | undefined;
  /** Entries of less weight are left out. Default: `PUNIE_LOG_LEVEL`, else `info`. */
  level?: LogLevel | undefined;
  /** Told once when the log can't be written: work goes on without it. */
  onUnwritable: (warning: string) => void;
  /** Default 10 MiB. */
  maxBytes?: number;
}

export type Log = (level: LogLevel, message: string) => void;

const MAX_BYTES = 10 * 1024 * 1024;
/** The one written to and two older ones. */
const FILES = 3;
const NAME = "punie.log";

/** Opens `punie.log`; full, it becomes `punie.log.1`, and that `punie.log.2`. The entries' level and time are in front. */
export async function openLogFile(options: LogFileOptions): Promise<Log> {
  const directory = resolve(options.directory ?? join(homedir(), ".punie", "logs"));
  const path = join(directory, NAME);
  const most = LOG_LEVELS.indexOf(options.level ?? levelOfEnvironment());
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  let writable = true;

  const giveUp = (error: unknown) => {
    writable = false;
    options.onUnwritable(`No log is written: ${(error as Error).message}. Choose another place with --log-dir.`);
  };
  const attempt = (write: () => void) => {
    if (!writable) return;
    try {
      write();
    } catch (error) {
      giveUp(error);
    }
  };

  await makeDirectory(directory, 0o700).catch(giveUp);
  attempt(() => appendFileSync(path, "", { mode: 0o600 }));
  return (level, message) => {
    if (LOG_LEVELS.indexOf(level) > most) return;
    const line = `${new Date().toISOString()} ${level} ${oneLine(message)}\n`;
    attempt(() => {
      // Asked each time: another process may write to the same file, or have turned it.
      if (sizeOf(path) + Buffer.byteLength(line) > maxBytes) turn(path);
      appendFileSync(path, line, { mode: 0o600 });
    });
  };
}

function levelOfEnvironment(): LogLevel {
  const level = process.env.PUNIE_LOG_LEVEL || "info";
  if (LOG_LEVELS.includes(level as LogLevel)) return level as LogLevel;
  throw new PunieError(
    "INVALID_OPTION",
    `PUNIE_LOG_LEVEL: expected one of ${LOG_LEVELS.join(", ")}, received ${JSON.stringify(level)}.`,
  );
}

/** A request's path can hold line breaks and terminal codes; in the log they are shown, not obeyed. */
function oneLine(message: string): string {
  return message.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function turn(path: string): void {
  const names = [path, ...Array.from({ length: FILES - 1 }, (_, index) => `${path}.${index + 1}`)];
  for (let index = names.length - 1; index > 0; index--) {
    const [from, to] = [names[index - 1], names[index]] as [string, string];
    if (statSync(from, { throwIfNoEntry: false })) renameSync(from, to);
  }
}
