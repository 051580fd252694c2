/** What a user sees of a running download: bars on a terminal, lines elsewhere. */

import { formatBytes } from "../format-bytes.js";
import type { DownloadEvent } from "../hub/download-events.js";
import { formatDuration } from "./format-text.js";
import { LiveLines, type LiveTerminal } from "./live-lines.js";
import { note, noteStream } from "./output.js";
import { RateMeter } from "./rate-meter.js";

export interface DownloadDisplay {
  show(event: DownloadEvent): void;
  /** Leaves the terminal in order. Idempotent. */
  stop(): void;
}

/** A line each time that a file is finished, and now and then how far all is. */
export class LineDisplay implements DownloadDisplay {
  readonly #meter = new RateMeter();
  #saidAt = performance.now();

  show(event: DownloadEvent): void {
    const line = eventLine(event);
    if (line !== undefined) note(line);
    if (event.type === "plan") this.#meter.start(event.haveBytes);
    if (event.type !== "progress") return;
    this.#meter.add(event.bytes);
    if (performance.now() - this.#saidAt < LINE_EVERY_MS) return;
    this.#saidAt = performance.now();
    note(`${percent(event.bytes, event.totalBytes)} ${progressText(event.bytes, event.totalBytes, this.#meter)}`);
  }

  stop(): void {}
}

const LINE_EVERY_MS = 5_000;

/** One bar for all, and one for each file under way. */
export class BarDisplay implements DownloadDisplay {
  readonly #terminal: LiveTerminal;
  readonly #files = new Map<string, Bar>();
  #all: Bar | undefined;
  #lines: LiveLines | undefined;

  constructor(terminal: LiveTerminal = noteStream) {
    this.#terminal = terminal;
  }

  show(event: DownloadEvent): void {
    const line = eventLine(event);
    switch (event.type) {
      case "plan":
        this.#terminal.write(`${line}\n`);
        this.#all = new Bar("all files", event.totalBytes, event.haveBytes);
        this.#lines = new LiveLines(this.#terminal, (columns) => this.#bars().map((bar) => bar.line(columns)));
        return;
      case "progress":
        this.#file(event.file, event.fileSize, event.fileBytes).move(event.fileBytes);
        this.#all?.move(event.bytes);
        return;
      case "file":
        this.#files.delete(event.file);
        break;
    }
    if (line === undefined) return;
    if (this.#lines) this.#lines.print(line);
    else this.#terminal.write(`${line}\n`);
  }

  /** Of an unfinished download it stays on the screen how far it has come. */
  stop(): void {
    const { columns } = this.#lines ?? { columns: 0 };
    this.#lines?.stop(this.#all && !this.#all.isFull ? [this.#all.stoppedLine(columns)] : []);
  }

  #bars(): Bar[] {
    return [...(this.#all ? [this.#all] : []), ...this.#files.values()];
  }

  #file(name: string, size: number, have: number): Bar {
    const known = this.#files.get(name) ?? new Bar(name.replace(/\.safetensors$/, ""), size, have);
    this.#files.set(name, known);
    return known;
  }
}

class Bar {
  readonly #label: string;
  readonly #total: number;
  readonly #meter = new RateMeter();
  #bytes: number;

  constructor(label: string, total: number, have: number) {
    this.#label = label;
    this.#total = total;
    this.#bytes = have;
    this.#meter.start(have);
  }

  move(bytes: number): void {
    this.#bytes = bytes;
    this.#meter.add(bytes);
  }

  get isFull(): boolean {
    return this.#bytes >= this.#total;
  }

  line(columns: number): string {
    return barLine({ label: this.#label, meter: this.#meter }, this.#bytes, this.#total, columns);
  }

  /** Without a rate, which it no longer has. */
  stoppedLine(columns: number): string {
    return barLine({ label: this.#label, meter: new RateMeter() }, this.#bytes, this.#total, columns);
  }
}

interface BarLabels {
  label: string;
  meter: RateMeter;
}

const MAX_BAR = 30;
const MIN_BAR = 5;
const MAX_LABEL = 36;

/** One line that fits the terminal: first the bar goes, then the sizes, the time left, the rate; last the name is cut. */
export function barLine({ label, meter }: BarLabels, bytes: number, total: number, columns: number): string {
  const room = Math.max(1, columns - 1);
  const done = percent(bytes, total);
  const name = shorten(label, MAX_LABEL);
  const details = [progressText(bytes, total, meter), speedText(bytes, total, meter), rateText(meter), ""];
  for (const detail of details) {
    const text = detail === "" ? done : `${done} ${detail}`;
    const left = room - name.length - text.length - 1;
    if (left >= 0) return `${name} ${barOf(left - 3, bytes, total)}${text}`;
  }
  return shorten(`${shorten(name, Math.max(1, room - done.length - 1))} ${done}`, room);
}

function barOf(room: number, bytes: number, total: number): string {
  if (room < MIN_BAR) return "";
  const width = Math.min(MAX_BAR, room);
  const whole = Math.round(width * Math.min(1, total === 0 ? 1 : bytes / total));
  return `[${"=".repeat(whole)}${"-".repeat(width - whole)}] `;
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function percent(bytes: number, total: number): string {
  return `${String(total === 0 ? 100 : Math.floor((bytes / total) * 100)).padStart(3)}%`;
}

function progressText(bytes: number, total: number, meter: RateMeter): string {
  const speed = speedText(bytes, total, meter);
  return `${formatBytes(bytes)} of ${formatBytes(total)}${speed === "" ? "" : `, ${speed}`}`;
}

function speedText(bytes: number, total: number, meter: RateMeter): string {
  const rate = meter.bytesPerSecond;
  const left = rate > 0 && bytes < total ? `, ${formatDuration((total - bytes) / rate)} left` : "";
  return `${rateText(meter)}${left}`;
}

function rateText({ bytesPerSecond: rate }: RateMeter): string {
  return rate > 0 ? `${formatBytes(rate)}/s` : "";
}

/** What an event is as a line; undefined for those that are no line of their own. */
function eventLine(event: DownloadEvent): string | undefined {
  switch (event.type) {
    case "plan": {
      const here = event.haveBytes > 0 ? `, ${formatBytes(event.haveBytes)} already here` : "";
      return `${event.files.length} files, ${formatBytes(event.totalBytes)}${here} (commit ${event.commit.slice(0, 12)})`;
    }
    case "file":
      return `✓ ${event.file} (${formatBytes(event.size)})`;
    case "retry": {
      const wait = event.waitMs > 0 ? `, again in ${formatDuration(event.waitMs / 1000)}` : "";
      return `${event.file ? `${event.file}: ` : ""}${event.reason}${wait}`;
    }
    case "renamed":
      return `${event.repository} is called ${event.to} on the Hub now.`;
    case "not-checked":
      return `Whether ${event.repository} is up to date is not known: ${event.reason}.`;
    default:
      return undefined;
  }
}
