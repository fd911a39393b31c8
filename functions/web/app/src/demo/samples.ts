/** The sample files of every session of the demo. */
export const SAMPLES: readonly (readonly [path: string, text: string])[] = [
  [
    "/README.md",
    `# Checkout

Sample files of the demo. Change what you like: everything is in this tab, and ends with it.

- \`src/cart.ts\` adds up a cart.
- \`src/payment.ts\` pays for it.
- \`tests/cart.test.ts\` holds both to their word.
`,
  ],
  [
    "/package.json",
    `{
  "name": "checkout",
  "private": true,
  "type": "module",
  "scripts": { "test": "vitest run" }
}
`,
  ],
  [
    "/src/cart.ts",
    `export interface Line {
  sku: string;
  /** In cents. */
  price: number;
  quantity: number;
}

/** The sum of a cart, in cents. */
export function total(lines: readonly Line[]): number {
  return lines.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
}
`,
  ],
  [
    "/src/payment.ts",
    `import { type Line, total } from "./cart.ts";

export interface Receipt {
  amount: number;
  paidAt: string;
}

/** Pays for a cart. An empty one costs nothing, and is refused. */
export function pay(lines: readonly Line[], now = new Date()): Receipt {
  const amount = total(lines);
  if (amount === 0) throw new Error("The cart is empty.");
  return { amount, paidAt: now.toISOString() };
}
`,
  ],
  [
    "/src/styles/checkout.css",
    `.checkout {
  display: grid;
  gap: 1rem;
}
`,
  ],
  [
    "/tests/cart.test.ts",
    `import { expect, test } from "vitest";

import { total } from "../src/cart.ts";

test("the total counts each piece", () => {
  expect(total([{ sku: "mug", price: 1200, quantity: 2 }])).toBe(2400);
});
`,
  ],
  ["/docs/decisions/0001-cents.md", "# Amounts are in cents\n\nNumbers with fractions do not add up.\n"],
];
