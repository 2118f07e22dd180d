// The side of the structured tab that the reader writes: examples to choose from, a JSON schema, and a question.

import type { JsonSchema } from '../src/index';
import { create } from './dom';
import type { StructuredExample } from './structured-examples';

export interface FormActions {
  ask: (schema: JsonSchema, question: string) => void;
  stop: () => void;
}

export class StructuredForm {
  readonly element: HTMLFormElement;
  readonly #example = create('select');
  readonly #schema = create('textarea', { class: 'schema' });
  readonly #question = create('textarea');
  readonly #error = create('p', { class: 'error' });
  readonly #ask = create('button', { class: 'send', text: 'Ask' });
  readonly #stop = create('button', { class: 'stop', text: 'Stop' });
  #ready = false;

  constructor(
    private readonly examples: readonly StructuredExample[],
    private readonly actions: FormActions,
  ) {
    this.#example.append(...examples.map(({ title }) => create('option', { text: title })));
    this.#schema.rows = 14;
    this.#schema.spellcheck = false;
    this.#question.rows = 2;
    this.#error.id = 'schema-error';
    this.#error.setAttribute('role', 'alert');
    this.#schema.setAttribute('aria-describedby', this.#error.id);
    this.#stop.type = 'button';
    this.element = create(
      'form',
      { class: 'structured-form' },
      field('Example', 'structured-example', this.#example),
      field('JSON schema', 'structured-schema', this.#schema, this.#error),
      field('Question', 'structured-question', this.#question),
      create('div', { class: 'structured-buttons' }, this.#ask, this.#stop),
    );
    this.element.setAttribute('aria-label', 'Ask for a shape');
    this.#example.addEventListener('change', () => this.#take());
    this.#schema.addEventListener('input', () => this.#read());
    this.#stop.addEventListener('click', () => actions.stop());
    this.element.addEventListener('submit', (event) => this.#submit(event));
    this.#take();
    this.setBusy(false);
  }

  /** Nothing can be asked before there is a model. */
  setReady(ready: boolean): void {
    this.#ready = ready;
    this.#ask.disabled = !ready;
  }

  setBusy(busy: boolean): void {
    const focused = document.activeElement;
    this.#ask.hidden = busy;
    this.#ask.disabled = !this.#ready;
    this.#stop.hidden = !busy;
    if (focused === this.#ask) this.#stop.focus();
    if (focused === this.#stop) this.#ask.focus();
  }

  /** Says what is wrong with the schema, at its field. */
  refuseSchema(message: string): void {
    this.#error.textContent = message;
    this.#schema.setAttribute('aria-invalid', String(message !== ''));
  }

  #take(): void {
    const example = this.examples[this.#example.selectedIndex];
    if (!example) return;
    this.#schema.value = JSON.stringify(example.schema, null, 2);
    this.#question.value = example.question;
    this.refuseSchema('');
  }

  /** The schema, if the text is JSON that can be one; what is wrong with it is said. */
  #read(): JsonSchema | undefined {
    try {
      const schema: unknown = JSON.parse(this.#schema.value);
      if (typeof schema !== 'boolean' && !isObject(schema))
        throw new TypeError('A schema is an object, or true or false.');
      this.refuseSchema('');
      return schema;
    } catch (error) {
      this.refuseSchema(
        error instanceof SyntaxError ? `This is no JSON yet: ${error.message}` : String(error),
      );
      return undefined;
    }
  }

  #submit(event: Event): void {
    event.preventDefault();
    const question = this.#question.value.trim();
    const schema = this.#read();
    if (schema === undefined) this.#schema.focus();
    else if (question === '') this.#question.focus();
    else if (this.#ready) this.actions.ask(schema, question);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function field(text: string, id: string, control: HTMLElement, ...below: HTMLElement[]): HTMLElement {
  const label = create('label', { text });
  label.htmlFor = id;
  control.id = id;
  return create('div', { class: 'field' }, label, control, ...below);
}
