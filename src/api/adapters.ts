/** Which adapter a model's requests use. */
import { adapterSpec, readAdapter } from "../models/adapter.js";
import { fromNative } from "../native/binding.js";
import type { NativeModel } from "../native/binding-types.js";

interface LoadedAdapter {
  id: number;
  path: string;
  /** Works that go on making requests with it. */
  users: number;
}

export class Adapters {
  readonly #native: NativeModel;
  #current: LoadedAdapter | undefined;
  #nextId = 1;
  /** The last change that was asked for; never rejects. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(native: NativeModel) {
    this.#native = native;
  }

  /** Directory of the one that is set. */
  get path(): string | undefined {
    return this.#current?.path;
  }

  /** For a request that is started at once. */
  get id(): number | undefined {
    return this.#current?.id;
  }

  /**
   * Changes come about one after another. One that fails leaves what is set.
   *
   * @param path Undefined: none.
   */
  set(path: string | undefined): Promise<void> {
    const change = this.#changing.then(() => this.#change(path));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  /** Work of several requests, which all use what is set as it begins, whatever is set meanwhile. */
  async use<T>(work: (id: number | undefined) => Promise<T>): Promise<T> {
    const adapter = this.#current;
    if (adapter === undefined) return work(undefined);
    adapter.users++;
    try {
      return await work(adapter.id);
    } finally {
      adapter.users--;
      this.#letGo(adapter);
    }
  }

  async #change(path: string | undefined): Promise<void> {
    const before = this.#current;
    this.#current = path === undefined ? undefined : await this.#load(path);
    if (before) this.#letGo(before);
  }

  async #load(path: string): Promise<LoadedAdapter> {
    const id = this.#nextId++;
    const spec = adapterSpec(await readAdapter(path), id);
    try {
      await this.#native.loadAdapter(spec);
    } catch (error) {
      throw fromNative(error, path);
    }
    return { id, path, users: 0 };
  }

  /** Requests that run with it natively keep it there. */
  #letGo(adapter: LoadedAdapter): void {
    if (adapter !== this.#current && adapter.users === 0) this.#native.unloadAdapter(adapter.id);
  }
}
