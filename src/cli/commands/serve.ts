/** `punie serve`: the model behind an HTTP server. */
import { hostname, networkInterfaces } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { PunieError } from "../../errors.js";
import { isHostName } from "../../server/allowed-host.js";
import { modelNames } from "../../server/model-names.js";
import { interruptible } from "../interrupt.js";
import { LOG_LEVELS, type Log, type LogLevel, openLogFile } from "../log-file.js";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { note } from "../output.js";

interface ServeFlags extends ModelFlags {
  host: string;
  port: number;
  apiKey?: string;
  allowHost?: string[];
  logDir?: string;
  logLevel?: LogLevel;
}

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = 8000;
const LAST_PORT = 65_535;

export function serveCommand(): Command {
  const command = new Command("serve")
    .option("--host <host>", "address to listen at; 0.0.0.0 is every one of this machine's", host, DEFAULT_HOST)
    .option("--port <port>", "port to listen at; 0 takes a free one", port, DEFAULT_PORT)
    .option("--api-key <key>", "what clients must send (environment: PUNIE_API_KEY, which other users can't read)")
    .option("--allow-host <name>", "a host name that requests may come for; may be repeated", hostNames);
  addModelOptions(command)
    .option("--log-dir <dir>", "where punie.log is written (default: ~/.punie/logs)")
    .addOption(
      new Option("--log-level <level>", "how much is logged (environment: PUNIE_LOG_LEVEL)").choices(LOG_LEVELS),
    );
  return command
    .addHelpText("after", EXAMPLES)
    .action((flags: ServeFlags) => interruptible((signal) => serve(flags, signal)));
}

const EXAMPLES = `
Examples:
  $ punie serve
  $ punie serve --model ./my-model --port 9000
  $ PUNIE_API_KEY=secret punie serve --host 0.0.0.0 --allow-host box.example
  $ curl http://127.0.0.1:8000/v1/chat/completions -d '{"messages": [{"role": "user", "content": "Hi"}]}'
`;

/** Node would listen at every address for an empty one. */
function host(text: string): string {
  if (text === "") throw new InvalidArgumentError("Expected a host name or an address.");
  return text;
}

function port(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= LAST_PORT)) throw new InvalidArgumentError(`Expected a port from 0 to ${LAST_PORT}.`);
  return value;
}

function hostNames(text: string, before: string[] = []): string[] {
  if (!isHostName(text)) throw new InvalidArgumentError("Expected a host name or an address, without a port.");
  return [...before, text];
}

/** Serves until the signal. Whether the model is there, and can be loaded, is known before anything listens. */
async function serve(flags: ServeFlags, signal: AbortSignal): Promise<void> {
  const { resolveModel } = await import("../../models/resolve-model.js");
  const resolved = await resolveModel(modelName(flags), { modelsDir: flags.modelsDir });
  const log = await openLog(flags);
  const { loadModel } = await import("../../api/load-model.js");
  const model = await loadModel(modelName(flags), { ...loadOptions(flags), signal });
  try {
    if (!model.info.hasTokenizer) {
      throw new PunieError(
        "MODEL_UNSUPPORTED",
        `${model.info.path}: serving needs a tokenizer, and there is no tokenizer.json.`,
      );
    }
    const { createHandler } = await import("../../server/index.js");
    const { listen } = await import("../../server/listen.js");
    const names = modelNames(resolved);
    const apiKey = flags.apiKey ?? (process.env.PUNIE_API_KEY || undefined);
    const handler = createHandler(model, {
      modelNames: names,
      allowedHosts: [...hostsOf(flags.host), ...(flags.allowHost ?? [])],
      signal,
      log,
      ...(apiKey === undefined ? {} : { apiKey }),
    });
    const onError = (error: Error) => log("warn", `The server goes on after: ${error.message}`);
    const server = await listen(handler, { host: flags.host, port: flags.port, onError });
    log("info", `serving ${names[0]} on ${server.url}`);
    note(banner(names[0], server.url, apiKey !== undefined));
    if (apiKey === undefined && !isLoopback(flags.host)) {
      note("Whoever can reach this address can use the model: set PUNIE_API_KEY to ask for a key.");
    }
    await aborted(signal);
    note("Stopping.");
    await server.close();
    log("info", "stopped");
  } finally {
    await model.dispose();
  }
}

/** The log file, and the terminal for what somebody should see. */
async function openLog({ logDir, logLevel }: ServeFlags): Promise<Log> {
  const write = await openLogFile({ directory: logDir, level: logLevel, onUnwritable: note });
  return (level, message) => {
    write(level, message);
    if (level === "error" || level === "warn") note(message);
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

const EVERY_ADDRESS = ["0.0.0.0", "::"];

/** The names that requests come for when the server listens at `host`. */
function hostsOf(host: string): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const every = [hostname(), `${hostname()}.local`, ...addresses.map(({ address }) => address)];
  const names = EVERY_ADDRESS.includes(host) ? every : [host];
  // A link-local address has its interface in it (%eth0), which no Host header has.
  return names.map((name) => name.replace(/%.*$/, "")).filter(isHostName);
}

function banner(model: string, url: string, locked: boolean): string {
  return [
    `Serving ${model} on ${url}`,
    `  OpenAI's clients: base URL ${url}/v1, model "${model}"${locked ? ", with the API key" : ""}`,
    "  Stop with Ctrl-C.",
  ].join("\n");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
