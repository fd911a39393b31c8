import { type ReactNode, useId } from "react";

export function Section({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className="section" aria-labelledby={id}>
      <div className="section-head">
        <h2 id={id}>{title}</h2>
        {lead && <p className="muted small">{lead}</p>}
      </div>
      <div className="card section-body stack">{children}</div>
    </section>
  );
}
