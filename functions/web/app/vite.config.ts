import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** The gateway of `make web`. */
const gateway = process.env.GATEWAY ?? "http://localhost:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    manifest: true,
    // Small images must not become data: URLs in styles: the content security policy forbids them.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  resolve: {
    alias: { "react-remove-scroll": new URL("src/ui/remove-scroll.tsx", import.meta.url).pathname },
  },
  server: {
    // The API accepts cookies only from its own origin, so the proxy names that one.
    proxy: Object.fromEntries(
      ["/v5", "/api", "/config.json"].map((path) => [path, { target: gateway, headers: { Origin: gateway } }]),
    ),
  },
  test: { include: ["tests/unit/**/*.test.ts"], setupFiles: ["tests/unit/setup.ts"] },
});
