// Asks whether models fit this device: one after the other, as each check has a GPU device and a worker of its own.

import { planModel } from '../../src/index';
import { explain } from '../failures';
import type { Source } from '../source';
import { verdictOf, type Verdict } from './verdict';

export class Checks {
  #last: Promise<unknown> = Promise.resolve();

  /** What is to be said of `source`; what went wrong is said too. Reads headers only. */
  async check({ model, sha256 }: Source): Promise<Verdict> {
    const turn = this.#last.then(() => planModel(model, sha256 ? { sha256 } : {}));
    this.#last = turn.catch(() => undefined);
    return turn.then(verdictOf, (error: unknown) => ({ kind: 'not', text: explain(error).message }));
  }
}

/** A line that has what a check found, in words that screen readers hear when they come. */
export class VerdictLine {
  #checking = false;

  constructor(
    readonly element: HTMLElement,
    private readonly checks: Checks,
  ) {
    element.setAttribute('role', 'status');
  }

  /** Checks `source`, unless a check is under way. */
  async check(source: Source): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    this.say({ text: 'Reading the headers…' });
    this.say(await this.checks.check(source));
    this.#checking = false;
  }

  say({ kind, text }: { kind?: Verdict['kind']; text: string }): void {
    this.element.dataset.kind = kind ?? '';
    this.element.textContent = text;
  }
}
