// The tab of answers of a given shape: a JSON schema and a question on one side, on the other the answer, which has that shape.

import type { Engine, FinishReason, JsonSchema, Session } from '../src/index';
import { create } from './dom';
import { explain } from './failures';
import { EXAMPLES } from './structured-examples';
import { StructuredForm } from './structured-form';

/** An answer may go on within a string for as long as its schema lets it: tokens. */
const MOST_TOKENS = 300;

const CUT: Record<Exclude<FinishReason, 'stop'>, string> = {
  length: `Cut after ${MOST_TOKENS} tokens, or because the context is full: the beginning of a value.`,
  abort: 'Stopped: the beginning of a value.',
  'tool-calls': 'The model called a tool.',
};

/** Asks in a session of its own each time: one answer has nothing to do with the next. */
export class StructuredView {
  readonly element: HTMLElement;
  readonly #form = new StructuredForm(EXAMPLES, {
    ask: (schema, question) => void this.#ask(schema, question),
    stop: () => this.#asking?.abort(),
  });
  readonly #answer = create('pre', { class: 'json' });
  readonly #state = create('p', { class: 'verdict' });
  #engine: Engine | undefined;
  #asking: AbortController | undefined;

  constructor() {
    const title = create('h2', { text: 'Answers that have a shape' });
    const lead = create('p', {
      class: 'hint',
      text: 'At each token only those can be chosen with which the answer can still become a value that the schema allows. So what comes is valid, whatever the model thinks of it. The model is not told of the schema: say in the question what you want.',
    });
    const heading = create('h3', { text: 'Answer' });
    heading.id = 'structured-answer';
    // What scrolls can be reached by keyboard.
    this.#answer.tabIndex = 0;
    this.#answer.setAttribute('role', 'region');
    this.#answer.setAttribute('aria-labelledby', heading.id);
    this.#state.setAttribute('role', 'status');
    const result = create('div', { class: 'structured-result' }, heading, this.#answer, this.#state);
    const sides = create('div', { class: 'structured-sides' }, this.#form.element, result);
    this.element = create('section', { class: 'structured' }, title, lead, sides);
  }

  /** Asks this engine from now on; undefined where there is none. */
  use(engine: Engine | undefined): void {
    if (engine === this.#engine) return;
    this.#asking?.abort();
    this.#engine = engine;
    this.#form.setReady(engine !== undefined);
  }

  async #ask(schema: JsonSchema, question: string): Promise<void> {
    const engine = this.#engine;
    if (!engine || this.#asking) return;
    const control = new AbortController();
    this.#asking = control;
    this.#form.setBusy(true);
    this.#answer.textContent = '';
    this.#say('');
    const session = engine.createSession();
    try {
      this.#say(...(await this.#stream(session, schema, question, control.signal)));
    } catch (error) {
      this.#fail(error);
    } finally {
      // It may be gone with its engine.
      session.dispose().catch(() => undefined);
      this.#asking = undefined;
      this.#form.setBusy(false);
    }
  }

  /** Shows the answer as it comes, and then the value that it is. Gives what to say of it. */
  async #stream(
    session: Session,
    schema: JsonSchema,
    question: string,
    signal: AbortSignal,
  ): Promise<[verdict: string, kind: 'valid' | 'cut']> {
    const responseFormat = { type: 'json', schema } as const;
    const reader = session.send(question, { responseFormat, maxTokens: MOST_TOKENS, signal }).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error('The answer ended without a word of how.');
      text += value.text;
      this.#answer.textContent = text;
      const { finishReason } = value;
      if (!finishReason) continue;
      if (finishReason !== 'stop') return [CUT[finishReason], 'cut'];
      // That an answer which ends by itself has the shape is what the engine promises.
      this.#answer.textContent = JSON.stringify(JSON.parse(text), null, 2);
      return ['Valid against the schema', 'valid'];
    }
  }

  /** What is wrong with the schema is said where it stands. */
  #fail(error: unknown): void {
    const { code, message } = explain(error);
    const ofSchema = code === 'unsupported-feature' || code === 'invalid-argument';
    if (ofSchema) this.#form.refuseSchema(message);
    else this.#say(message, 'cut');
  }

  #say(text: string, kind: 'valid' | 'cut' = 'cut'): void {
    this.#state.textContent = text;
    this.#state.className = `verdict ${kind}`;
  }
}
