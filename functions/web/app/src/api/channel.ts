import type { SignedIn } from "./login.ts";

/** What the tabs of one browser tell each other. */
export type Message =
  { type: "ask"; from: string } | { type: "token"; login: SignedIn; receivedAt: number } | { type: "signedOut" };

export interface Channel {
  send(message: Message): void;
  /** Returns a function that ends the subscription. */
  subscribe(listener: (message: Message) => void): () => void;
}

/** Connects the tabs of this origin. Undefined where browsers do not have it: then each tab renews its own token. */
export function tabChannel(name = "coditect"): Channel | undefined {
  if (typeof BroadcastChannel === "undefined") return undefined;
  const channel = new BroadcastChannel(name);
  return {
    send: (message) => channel.postMessage(message),
    subscribe(listener) {
      const handle = ({ data }: MessageEvent<Message>) => listener(data);
      channel.addEventListener("message", handle);
      return () => channel.removeEventListener("message", handle);
    },
  };
}

/** Runs one task at a time across all tabs, or at least within this one where browsers have no Web Locks. */
export type Lock = <T>(task: () => Promise<T>) => Promise<T>;

export function tabLock(name = "coditect-refresh"): Lock {
  const locks = globalThis.navigator?.locks;
  if (locks) return (task) => locks.request(name, task) as ReturnType<typeof task>;
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task, task);
    last = run.catch(() => undefined);
    return run;
  };
}
