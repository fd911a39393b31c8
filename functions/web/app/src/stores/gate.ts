/** Requests that wait for one decision of the user. */
export class Gate {
  #waiting: ((decision: boolean) => void)[] = [];

  /** Waits for the decision, which is shared by all who wait. */
  wait(): Promise<boolean> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  settle(decision: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(decision);
  }
}
