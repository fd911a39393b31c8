import { useEffect, useState } from "react";

import { useAuth } from "../stores/auth-store.ts";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

const STEPS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [31_557_600, "year"],
  [2_629_800, "month"],
  [604_800, "week"],
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
];

/** Like "3 minutes ago", by the server's clock. */
export function sinceText(time: string, serverNow: number): string {
  const seconds = (Date.parse(time) - serverNow) / 1000;
  const step = STEPS.find(([size]) => Math.abs(seconds) >= size);
  if (!step) return seconds > 5 ? "in a moment" : "just now";
  return relative.format(Math.trunc(seconds / step[0]), step[1]);
}

/** The server's time in milliseconds, updated every half minute. */
export function useServerNow(): number {
  const offset = useAuth((state) => state.clockOffset);
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now + offset;
}

export function Since({ time }: { time: string }) {
  const now = useServerNow();
  return (
    <time dateTime={time} title={absolute.format(new Date(time))}>
      {sinceText(time, now)}
    </time>
  );
}

export const When = ({ time }: { time: string }) => <time dateTime={time}>{absolute.format(new Date(time))}</time>;

export const dayOf = (time: string): string => dateOnly.format(new Date(time));
export const clockOf = (time: string): string =>
  new Date(time).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
