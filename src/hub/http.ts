/** What a download needs of an HTTP client. The web's `fetch` has it; ours does less, and is half as fast again. */

export interface HttpResponse {
  status: number;
  ok: boolean;
  headers: { get(name: string): string | null };
  body: HttpBody | null;
}

export interface HttpBody extends AsyncIterable<Uint8Array> {
  /** Closes the connection, when bytes are still to come. */
  cancel(): Promise<void>;
}

export interface HttpRequest {
  headers?: Record<string, string>;
  /** Redirects are the caller's to follow. */
  redirect?: "manual";
  signal?: AbortSignal;
}

/** Rejects for what the network does, and with the signal's reason. */
export type HttpFetch = (url: string, request: HttpRequest) => Promise<HttpResponse>;
