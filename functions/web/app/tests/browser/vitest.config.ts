import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    globalSetup: "tests/browser/setup.ts",
    testTimeout: 240_000,
    hookTimeout: 60_000,
    // One browser and one gateway serve all files.
    fileParallelism: false,
  },
});
