// The store of the page itself reads these when its module is loaded. Tests create their own stores.
Object.assign(globalThis, {
  location: { origin: "https://app.example.com" },
  window: { addEventListener: () => undefined },
});
