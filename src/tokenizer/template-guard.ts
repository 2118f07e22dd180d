// Runs a Jinja template from an untrusted file: it sees only the values passed, and its time and memory are bounded.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

/** A parsed template. */
export type Program = ReturnType<typeof parse>;
type Statement = Parameters<Interpreter['evaluate']>[0];
type Value = ReturnType<Interpreter['evaluate']>;

/** A template gone too far. */
class TemplateLimitError extends Error {}

/** A message that the template itself raised, by `raise_exception`. */
export class TemplateRaisedError extends Error {}

/** Longest source, in characters; the longest chat template of a published model has some 20,000. */
const MAX_SOURCE = 100_000;
/** The parser takes time in the square of a run of whitespace. */
const MAX_WHITESPACE_RUN = 2000;
/** Most evaluations of a node; a template takes about 50 for a message. */
const MAX_STEPS = 4_000_000;
const MAX_MILLISECONDS = 2000;
/** Most elements of a list, or values in a nested one. */
const MAX_VALUES = 200_000;

/** Parses a template. Throws what the parser throws, or a `TemplateLimitError` for a source that no template needs. */
export function parseTemplate(source: string): Program {
  if (source.length > MAX_SOURCE) throw new TemplateLimitError(`it is longer than ${MAX_SOURCE} characters`);
  if (new RegExp(`\\s{${MAX_WHITESPACE_RUN}}`).test(source)) {
    throw new TemplateLimitError(`it has more than ${MAX_WHITESPACE_RUN} spaces in a row`);
  }
  return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
}

/**
 * Renders a template. It can use `variables`, the constants, `range`, `namespace` and `raise_exception`, and nothing
 * else: names are looked up in maps, never on JavaScript objects. There is no clock (`strftime_now`): the same
 * conversation gives the same prompt, or nothing of it could be reused.
 */
export function runTemplate(program: Program, variables: Record<string, unknown>): string {
  const environment = new Environment();
  const globals = { ...constants(), range, raise_exception: raise, ...variables };
  for (const [name, value] of Object.entries(globals)) environment.set(name, value);
  const { value }: { value: unknown } = new GuardedInterpreter(environment, textLimit(variables)).run(
    program,
  );
  return typeof value === 'string' ? value : '';
}

function constants(): Record<string, unknown> {
  return { true: true, false: false, none: null, True: true, False: false, None: null };
}

/** The text of the conversation may appear a few times over. That leaves a template no room to build giant strings. */
function textLimit(variables: Record<string, unknown>): number {
  return 8 * JSON.stringify(variables).length + 65_536;
}

/** Counts and measures what the library evaluates. A single operation works on bounded values, so its time is bounded. */
class GuardedInterpreter extends Interpreter {
  readonly #deadline = performance.now() + MAX_MILLISECONDS;
  readonly #sizes = new WeakMap<object, number>();
  #steps = 0;

  constructor(
    environment: Environment,
    private readonly maxText: number,
  ) {
    super(environment);
  }

  override evaluate(statement: Statement, environment: Environment): Value {
    this.#count();
    const value = super.evaluate(statement, environment);
    this.#check(value);
    return value;
  }

  #count(): void {
    if (++this.#steps > MAX_STEPS) throw new TemplateLimitError('it takes too many steps');
    if ((this.#steps & 63) === 0 && performance.now() > this.#deadline) {
      throw new TemplateLimitError('it takes too long');
    }
  }

  #check(result: Value): void {
    const value: unknown = result.value;
    if (typeof value === 'string') {
      if (value.length > this.maxText) throw new TemplateLimitError('it builds a text that is far too long');
      return;
    }
    // As text, a function of the library would be its source code.
    if (typeof value === 'function') value.toString = () => '<function>';
    else this.#measure(result, { left: MAX_VALUES });
  }

  /**
   * The number of values in a nested one, counted as often as it would be written out: `[x, x]` doubles x, and forty
   * such steps would keep `tojson` busy for days.
   */
  #measure({ type, value }: Value, budget: { left: number }): number {
    if (typeof value !== 'object' || value === null) return spend(budget, 1);
    const known = this.#sizes.get(value);
    if (known !== undefined) return spend(budget, known);
    let size = spend(budget, 1);
    // A namespace can grow later, so it and what holds one must be measured again each time.
    let isFixed = type !== 'NamespaceValue';
    for (const child of childrenOf(value)) {
      size += this.#measure(child, budget);
      isFixed &&= typeof child.value !== 'object' || child.value === null || this.#sizes.has(child.value);
    }
    if (isFixed) this.#sizes.set(value, size);
    return size;
  }
}

function spend(budget: { left: number }, size: number): number {
  budget.left -= size;
  if (budget.left < 0) throw new TemplateLimitError('it builds a list that is far too long');
  return size;
}

/** The values in a list or a mapping of the library. */
function childrenOf(value: object): Iterable<Value> {
  if (Array.isArray(value)) return value as Value[];
  return value instanceof Map ? (value.values() as Iterable<Value>) : [];
}

/** Python's `range`, for lists that a template may have. */
function range(start: unknown, stop?: unknown, step: unknown = 1): number[] {
  const [from, to] = stop === undefined || stop === null ? [0, start] : [start, stop];
  if (!isInteger(from) || !isInteger(to) || !isInteger(step) || step === 0) {
    throw new Error('range() takes whole numbers, and a step that is not 0');
  }
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (length > MAX_VALUES) throw new TemplateLimitError('it builds a list that is far too long');
  return Array.from({ length }, (_, i) => from + i * step);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function raise(message: unknown): never {
  throw new TemplateRaisedError(typeof message === 'string' ? message : 'no reason given');
}
