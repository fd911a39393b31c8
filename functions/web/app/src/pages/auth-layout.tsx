import type { ReactNode } from "react";

import { useTitle } from "../app/title.ts";
import { Logo } from "../ui/marks.tsx";

/** The pages of people who are not signed in: the form, and on wide screens the product's face. */
export function AuthLayout({
  title,
  lead,
  children,
  footer,
}: {
  title: string;
  lead?: ReactNode;
  children: ReactNode;
  footer?: ReactNode;
}) {
  useTitle(title);
  return (
    <div className="auth">
      <main className="auth-form">
        <div className="brand">
          <Logo /> <span>Coditect</span>
        </div>
        <div className="stack">
          <div className="stack tight">
            <h1>{title}</h1>
            {lead && <p className="muted">{lead}</p>}
          </div>
          {children}
        </div>
        {footer && <div className="auth-footer small">{footer}</div>}
      </main>
      <aside className="auth-aside">
        <Weave />
        <div className="auth-words">
          <p className="auth-claim">Pick up exactly where you left off.</p>
          <p>
            Every workspace has its place, every change its record, and every device that can reach them is one you can
            see and sign out.
          </p>
        </div>
      </aside>
    </div>
  );
}

/** A pattern like the marks of sessions, drawn from a fixed sequence. */
function Weave() {
  const cells: { d: string; tone: number }[] = [0, 1, 2].map((tone) => ({ d: "", tone }));
  let seed = 20261127;
  for (let y = 0; y < 26; y++) {
    for (let x = 0; x < 18; x++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const chance = seed / 2 ** 32;
      const density = 0.66 - y * 0.038;
      if (chance > density) continue;
      const tone = cells[chance < density * 0.05 ? 2 : chance < density * 0.4 ? 1 : 0];
      if (tone) tone.d += `M${x * 2} ${y * 2}h1.8v1.8h-1.8z`;
    }
  }
  return (
    <svg className="weave" viewBox="0 0 36 52" preserveAspectRatio="xMidYMin slice" aria-hidden="true">
      {cells.map(({ d, tone }) => (
        <path key={tone} d={d} data-tone={tone} />
      ))}
    </svg>
  );
}
