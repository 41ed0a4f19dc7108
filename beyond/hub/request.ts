/** Requests that cannot hang, flood the memory, or give the token to a stranger. */

export interface RequestLimits {
  /** The hub; the token is for its origin alone. */
  endpoint: string;
  token: string | undefined;
  /** Milliseconds in which something has to arrive. */
  patience: number;
}

/** Largest reply that is no file: a listing of a thousand files takes some 300 kB. */
const LONGEST_LISTING = 32e6;

/**
 * A `fetch` that gives up where nothing arrives for `patience`, before the first byte or between two, and
 * where a reply that goes on has grown past `most` bytes.
 */
export const limitedFetch = (
  { endpoint, token, patience }: RequestLimits,
  most = LONGEST_LISTING,
) =>
  (async (input: string | URL | Request, init: RequestInit = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init.headers);
    // a listing names its next page, and that may be anywhere
    if (token && url.origin === new URL(endpoint).origin) {
      headers.set("Authorization", `Bearer ${token}`);
    }
    const silence = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const seconds = Math.round(patience / 1000);
        silence.abort(new Error(`${url.host} was silent for ${seconds} s`));
      }, patience);
    };
    wait();
    let isStreaming = false;
    try {
      const response = await fetch(input, { ...init, headers, signal: silence.signal });
      if (!response.body) return response;
      isStreaming = true;
      let bytes = 0;
      const watched = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, out) {
          wait();
          bytes += piece.length;
          if (bytes > most) throw new Error(`${url.host} sends more than it should`);
          out.enqueue(piece);
        },
        flush: () => clearTimeout(timer),
      });
      const { status, statusText, headers: told } = response;
      const body = response.body.pipeThrough(watched, { signal: silence.signal });
      const whole = new Response(body, { status, statusText, headers: told });
      Object.defineProperty(whole, "url", { value: response.url });
      return whole;
    } finally {
      // a request that failed, or has nothing to send, would else keep the program waiting
      if (!isStreaming) clearTimeout(timer);
    }
  }) as typeof fetch;
