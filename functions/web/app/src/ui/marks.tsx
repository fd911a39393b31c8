import { Check, Copy } from "lucide-react";
import { useState } from "react";

import { Button } from "./button.tsx";
import { toast } from "./toast.tsx";

/** A small number from a text (FNV-1a). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // Spreads the last characters over all bits: ids of one moment differ only there (MurmurHash3's finalizer).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The mark of a session: a pattern that people recognise sooner than an id. */
export function Glyph({ id }: { id: string }) {
  const hash = hashOf(id);
  const hue = hash % 360;
  const cells: string[] = [];
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 3; x++) {
      if (!((hash >>> (8 + y * 3 + x)) & 1)) continue;
      for (const column of x === 2 ? [2] : [x, 4 - x]) cells.push(`M${column + 1.5} ${y + 1.5}h1v1h-1z`);
    }
  }
  return (
    <svg className="glyph" viewBox="0 0 8 8" aria-hidden="true" shapeRendering="crispEdges">
      <rect width="8" height="8" fill={`hsl(${hue} 34% 30%)`} />
      <path d={cells.join("")} fill={`hsl(${(hue + 40) % 360} 62% 76%)`} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#0c6656" />
      <path fill="#fff" d="M11 6h10v5h-10v10h10v5h-10v-5h-5v-10h5z" />
      <path fill="#f2b84b" d="M21 13.5h5v5h-5z" />
    </svg>
  );
}

export function Avatar({ name, src, large }: { name: string; src?: string | null | undefined; large?: boolean }) {
  const initials = name
    .split(/[\s@.]+/)
    .slice(0, 2)
    .map((part) => part.charAt(0).toUpperCase())
    .join("");
  return (
    <span className="avatar" data-size={large ? "large" : undefined} aria-hidden="true">
      {src ? <img src={src} alt="" /> : initials || "?"}
    </span>
  );
}

export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied ${what}.`);
  } catch {
    toast(`The browser did not allow copying ${what}. Select the text instead.`, { tone: "bad" });
  }
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    void copyText(text, what);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  const Icon = done ? Check : Copy;
  return (
    <Button icon variant="quiet" aria-label={`Copy ${what}`} onClick={copy}>
      <Icon aria-hidden="true" />
    </Button>
  );
}

/** A part of a whole, drawn without inline styles. */
export function Meter({ value, label }: { value: number; label: string }) {
  const percent = Math.min(100, Math.max(value > 0 ? 0.75 : 0, value * 100));
  const tone = value >= 0.95 ? "bad" : value >= 0.8 ? "warn" : undefined;
  return (
    <div
      className="meter"
      data-tone={tone}
      role="meter"
      aria-label={label}
      aria-valuenow={Math.round(percent)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <svg preserveAspectRatio="none" viewBox="0 0 100 1" aria-hidden="true">
        <rect width={percent} height="1" />
      </svg>
    </div>
  );
}
