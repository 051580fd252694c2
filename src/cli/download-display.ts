/** What a user sees of a running download: bars on a terminal, lines elsewhere. */
import { MultiBar, type SingleBar } from "cli-progress";
import type { DownloadEvent } from "../hub/download-events.js";
import { formatBytes, formatDuration } from "./format-size.js";
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

/** One bar for each file under way, and one for all. */
export class BarDisplay implements DownloadDisplay {
  readonly #bars: MultiBar;
  readonly #files = new Map<string, { bar: SingleBar; meter: RateMeter }>();
  #all: { bar: SingleBar; meter: RateMeter } | undefined;

  constructor(stream: NodeJS.WritableStream = noteStream) {
    this.#bars = new MultiBar({
      stream,
      // Read at each drawing, so that a resized terminal is followed; 0 where the size isn't known.
      format: (_options, params, payload: BarPayload) =>
        barLine(payload, params.value, params.total, (stream as { columns?: number }).columns || DEFAULT_COLUMNS),
      gracefulExit: false,
      clearOnComplete: false,
      emptyOnZero: true,
      fps: 8,
    });
  }

  show(event: DownloadEvent): void {
    switch (event.type) {
      case "plan":
        note(eventLine(event) as string);
        this.#all = this.#add("all files", event.totalBytes, event.haveBytes);
        break;
      case "progress": {
        const file = this.#files.get(event.file) ?? this.#addFile(event.file, event.fileSize, event.fileBytes);
        update(file, event.fileBytes);
        if (this.#all) update(this.#all, event.bytes);
        break;
      }
      case "file": {
        const file = this.#files.get(event.file);
        if (file) this.#bars.remove(file.bar);
        this.#files.delete(event.file);
        this.#bars.log(`${eventLine(event)}\n`);
        break;
      }
      default: {
        const line = eventLine(event);
        // Between the bars a line is printed above them.
        if (line !== undefined && this.#all) this.#bars.log(`${line}\n`);
        else if (line !== undefined) note(line);
      }
    }
  }

  stop(): void {
    if (this.#all === undefined) return;
    for (const { bar } of this.#files.values()) this.#bars.remove(bar);
    this.#bars.stop();
    this.#all = undefined;
  }

  #addFile(name: string, size: number, have: number) {
    const file = this.#add(name, size, have);
    this.#files.set(name, file);
    return file;
  }

  #add(label: string, total: number, have: number) {
    const meter = new RateMeter();
    meter.start(have);
    const payload: BarPayload = { label, meter };
    return { bar: this.#bars.create(total, have, payload), meter };
  }
}

const DEFAULT_COLUMNS = 80;

interface BarPayload {
  label: string;
  meter: RateMeter;
}

function update({ bar, meter }: { bar: SingleBar; meter: RateMeter }, bytes: number): void {
  meter.add(bytes);
  bar.update(bytes);
}

const MAX_BAR = 30;
const MIN_BAR = 5;
const MAX_LABEL = 36;

/** One line that fits the terminal: first the bar goes short, then the name, then the rate goes. */
export function barLine({ label, meter }: BarPayload, bytes: number, total: number, columns: number): string {
  const room = Math.max(1, columns - 1);
  const done = percent(bytes, total);
  const detail = progressText(bytes, total, meter);
  const name = shorten(label, Math.min(MAX_LABEL, Math.max(MIN_NAME, room - detail.length - MIN_BAR - 8)));
  const width = Math.min(MAX_BAR, room - name.length - detail.length - done.length - 5);
  const whole = Math.round(Math.max(0, width) * Math.min(1, total === 0 ? 1 : bytes / total));
  const bar = width >= MIN_BAR ? `[${"=".repeat(whole)}${"-".repeat(width - whole)}] ` : "";
  const line = `${name} ${bar}${done} ${detail}`;
  return line.length <= room ? line : shorten(`${name} ${done}`, room);
}

const MIN_NAME = 8;

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function percent(bytes: number, total: number): string {
  return `${String(total === 0 ? 100 : Math.floor((bytes / total) * 100)).padStart(3)}%`;
}

function progressText(bytes: number, total: number, meter: RateMeter): string {
  const rate = meter.bytesPerSecond;
  const left = rate > 0 && bytes < total ? `, ${formatDuration((total - bytes) / rate)} left` : "";
  const speed = rate > 0 ? `, ${formatBytes(rate)}/s` : "";
  return `${formatBytes(bytes)} of ${formatBytes(total)}${speed}${left}`;
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
