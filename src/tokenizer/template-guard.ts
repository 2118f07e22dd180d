// Runs a Jinja template from an untrusted file: it sees only the values passed, and its time and memory are bounded.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import {
  lengthAfter,
  searchOf,
  searchOfIn,
  valuesAfter,
  type Arguments,
  type Extent,
  type Value,
} from './template-growth';

/** A parsed template. */
export type Program = ReturnType<typeof parse>;

/** The nodes of a program that are looked into here, which the library has but does not export. */
interface Statement {
  readonly type: string;
}
interface Known extends Statement {
  readonly type: 'Known';
  readonly known: Value;
}
interface Filtered extends Statement {
  readonly filter: Statement & { value?: string; callee?: { value?: string }; args?: Statement[] };
}
interface Filter extends Filtered {
  readonly operand: Statement;
}
interface FilterBlock extends Filtered {
  readonly body: Statement[];
}
interface Binary extends Statement {
  readonly operator: { value: string };
  readonly left: Statement;
  readonly right: Statement;
}
interface Member extends Statement {
  readonly object: Statement;
  readonly property: Statement & { value?: unknown };
  readonly computed: boolean;
}
interface Loop extends Statement {
  readonly iterable: Statement & { lhs?: Statement };
}
interface Argument extends Statement {
  readonly key?: { value: string };
  readonly value?: Statement;
  readonly argument?: Statement;
}

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
/** Steps between two looks at the clock. */
const STEPS_UNWATCHED = 16;
/** Most characters of a text, or of all texts in a list, as two bytes each 16 MB. */
const MAX_TEXT = 1 << 23;
/**
 * Most characters of all texts that filters and methods make. Blocks and loops put them together, and hold them all until
 * the end.
 */
const MAX_MADE = 4 * MAX_TEXT;
/** Most comparisons of one search in a text: less than a second. */
const MAX_COMPARISONS = 2 ** 29;
/** What is read in a step of its own, in characters or comparisons. */
const TEXT_PER_STEP = 4096;
const COMPARISONS_PER_STEP = 65_536;
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
  return Math.min(MAX_TEXT, 8 * JSON.stringify(variables).length + 65_536);
}

/**
 * Counts and measures what the library evaluates. Values are bounded, and what an operation makes of them is worked out
 * before it runs: the operands are evaluated first and then put into its place (as `Known`), so that nothing is evaluated
 * twice.
 */
class GuardedInterpreter extends Interpreter {
  readonly #deadline = performance.now() + MAX_MILLISECONDS;
  readonly #extents = new WeakMap<object, Extent>();
  readonly #guarded = new WeakSet<object>();
  #steps = 0;
  #watched = 0;
  #made = 0;

  constructor(
    environment: Environment,
    private readonly maxText: number,
  ) {
    super(environment);
  }

  override evaluate(statement: Statement | undefined, environment: Environment): Value {
    if (statement && isKnown(statement)) return statement.known;
    this.#count();
    const value = super.evaluate(this.#prepared(statement, environment), environment);
    this.#check(value);
    if (statement && makesText(statement) && typeof value.value === 'string') this.#make(value.value.length);
    return value;
  }

  #count(steps = 1): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new TemplateLimitError('it takes too many steps');
    if (this.#steps < this.#watched + STEPS_UNWATCHED) return;
    this.#watched = this.#steps;
    if (performance.now() > this.#deadline) throw new TemplateLimitError('it takes too long');
  }

  #check(result: Value): void {
    const value: unknown = result.value;
    if (typeof value === 'string') {
      if (value.length > this.maxText) throw tooLong('text');
      return;
    }
    // As text, a function of the library would be its source code.
    if (typeof value === 'function') value.toString = () => '<function>';
    else if (isObject(value)) this.#watchList(result, value);
  }

  /** Lists and mappings become text where they are written out: in a block themselves, by an operator what they hold. */
  #watchList(result: Value, value: object): void {
    this.#extentOf(result);
    for (const written of [result, value]) {
      if (this.#guarded.has(written)) continue;
      this.#guarded.add(written);
      const write: () => string = written.toString.bind(written);
      written.toString = (): string => {
        this.#make(this.#extentOf(result).text);
        return write();
      };
    }
  }

  #make(length: number): void {
    this.#made += length;
    if (this.#made > MAX_MADE) throw tooLong('text');
    this.#count(Math.floor(length / TEXT_PER_STEP));
  }

  /** `statement` with its operands evaluated, if it is one that makes much of them and that is found to be bounded. */
  #prepared(statement: Statement | undefined, environment: Environment): Statement | undefined {
    switch (statement?.type) {
      case 'FilterExpression': {
        const node = statement as Filter;
        return this.#filter(node, this.evaluate(node.operand, environment), environment);
      }
      case 'FilterStatement': {
        const node = statement as FilterBlock;
        const body: Statement & Pick<FilterBlock, 'body'> = { type: 'Program', body: node.body };
        return this.#filter(node, this.evaluate(body, environment), environment);
      }
      case 'BinaryExpression':
        return this.#search(statement as Binary, environment);
      case 'MemberExpression':
        return this.#member(statement as Member, environment);
      case 'For':
        return this.#loop(statement as Loop, environment);
      default:
        return statement;
    }
  }

  #filter({ filter }: Filtered, operand: Value, environment: Environment): Statement {
    const args = (filter.args ?? []).map((arg) => this.#argument(arg, environment));
    const name = filter.value ?? filter.callee?.value ?? '';
    this.#checkGrowth(name, operand, argumentsOf(args.map(([, value]) => value)));
    const node: Filter = {
      type: 'FilterExpression',
      operand: known(operand),
      filter: filter.args ? { ...filter, args: args.map(([evaluated]) => evaluated) } : filter,
    };
    return node;
  }

  /** An argument that need not be evaluated again, with its name (or how it is unpacked) and value. */
  #argument(statement: Statement, environment: Environment): [Statement, NamedValue] {
    const { key, value, argument } = statement as Argument;
    if (argument) {
      const unpacked = this.evaluate(argument, environment);
      return [{ ...statement, argument: known(unpacked) } as Argument, { unpacked: true, value: unpacked }];
    }
    if (key && value) {
      const named = this.evaluate(value, environment);
      return [{ ...statement, value: known(named) } as Argument, { name: key.value, value: named }];
    }
    const own = this.evaluate(statement, environment);
    // Some filters want to see that an argument is a literal.
    return [
      statement.type.endsWith('Literal') && !isObject(own.value) ? statement : known(own),
      { value: own },
    ];
  }

  #search(node: Binary, environment: Environment): Statement {
    const { value: operator } = node.operator;
    if (operator !== 'in' && operator !== 'not in') return node;
    const left = this.evaluate(node.left, environment);
    const right = this.evaluate(node.right, environment);
    this.#checkSearch(searchOfIn(left, right));
    return { ...node, left: known(left), right: known(right) } as Binary;
  }

  /** The methods of a string can be called under another name, so their growth is checked in the functions themselves. */
  #member(node: Member, environment: Environment): Statement {
    const object = this.evaluate(node.object, environment);
    if (object.type !== 'StringValue' || node.property.type === 'SliceExpression') {
      return { ...node, object: known(object) } as Member;
    }
    const property = node.computed ? this.evaluate(node.property, environment) : undefined;
    const name = property ? property.value : node.property.value;
    const method = typeof name === 'string' ? object.builtins.get(name) : undefined;
    if (method?.type === 'FunctionValue' && !this.#guarded.has(method)) {
      this.#guarded.add(method);
      const call = method.value as (args: Value[], scope: Environment) => Value;
      method.value = (args: Value[], scope: Environment): Value => {
        this.#checkGrowth(name as string, object, argumentsOf(args.map((value) => ({ value }))));
        return call(args, scope);
      };
    }
    return { ...node, object: known(object), property: property ? known(property) : node.property } as Member;
  }

  /** Each turn of a loop is a step, though its body may have none. */
  #loop(node: Loop, environment: Environment): Statement {
    const { iterable } = node;
    const list = this.evaluate(iterable.lhs ?? iterable, environment);
    this.#count(sizeOf(list));
    return { ...node, iterable: iterable.lhs ? { ...iterable, lhs: known(list) } : known(list) } as Loop;
  }

  #checkGrowth(operation: string, operand: Value, args: Arguments): void {
    const search = searchOf(operation, operand, args);
    if (search) this.#checkSearch(search);
    if (lengthAfter(operation, operand, this.#extentOf(operand), args) > MAX_TEXT) throw tooLong('text');
    if (valuesAfter(operation, operand, args) > MAX_VALUES) throw tooLong('list');
  }

  #checkSearch({ text, wanted }: { text: string; wanted: string }): void {
    const comparisons = Math.max(0, text.length - wanted.length) * wanted.length;
    if (comparisons > MAX_COMPARISONS) throw new TemplateLimitError('it takes too long to search a text');
    this.#count(Math.floor(comparisons / COMPARISONS_PER_STEP));
  }

  #extentOf(value: Value): Extent {
    return this.#measure(value, { values: MAX_VALUES, text: MAX_TEXT });
  }

  /**
   * The extent of a nested value, counted as often as it would be written out: `[x, x]` doubles x, and forty such steps
   * would keep `tojson` busy for days.
   */
  #measure({ type, value }: Value, budget: Budget): Extent {
    if (typeof value === 'string') return spend(budget, { values: 1, text: value.length, depth: 0 });
    if (typeof value !== 'object' || value === null) return spend(budget, PLAIN);
    const fixed = this.#extents.get(value);
    if (fixed) return spend(budget, fixed);
    let { values, text, depth } = spend(budget, { values: 1, text: keyLength(value), depth: 1 });
    // A namespace can grow later, so it and what holds one must be measured again each time.
    let isFixed = type !== 'NamespaceValue';
    for (const child of childrenOf(value)) {
      const extent = this.#measure(child, budget);
      values += extent.values;
      text += extent.text;
      depth = Math.max(depth, extent.depth + 1);
      isFixed &&= !isObject(child.value) || this.#extents.has(child.value);
    }
    const extent = { values, text, depth };
    if (isFixed) this.#extents.set(value, extent);
    return extent;
  }
}

/** Whether a statement may make a text of its own, and not one that is put together of others or that was there. */
function makesText(statement: Statement): boolean {
  if (statement.type === 'MemberExpression') return (statement as Member).property.type === 'SliceExpression';
  return ['FilterExpression', 'FilterStatement', 'CallExpression'].includes(statement.type);
}

/** A value with the name of an argument, or a list or mapping of several. */
interface NamedValue {
  readonly value: Value;
  readonly name?: string;
  readonly unpacked?: boolean;
}

/** What is left of what a value may come to. */
interface Budget {
  values: number;
  text: number;
}

/** No text of a number, or of what is no text or number, is longer. */
const PLAIN: Extent = { values: 1, text: 24, depth: 0 };

function spend(budget: Budget, extent: Extent): Extent {
  budget.values -= extent.values;
  budget.text -= extent.text;
  if (budget.values < 0 || budget.text < 0) throw tooLong('list');
  return extent;
}

function tooLong(what: 'text' | 'list'): TemplateLimitError {
  return new TemplateLimitError(`it builds a ${what} that is far too long`);
}

function isKnown(statement: Statement): statement is Known {
  return statement.type === 'Known';
}

function known(value: Value): Known {
  return { type: 'Known', known: value };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function argumentsOf(values: readonly NamedValue[]): Arguments {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  for (const { value, name, unpacked } of values) {
    const inner: unknown = value.value;
    if (name !== undefined) named.set(name, value);
    else if (unpacked && Array.isArray(inner)) for (const each of inner as Value[]) positional.push(each);
    else if ((unpacked || value.type === 'KeywordArgumentsValue') && inner instanceof Map) {
      for (const [key, each] of inner as Map<string, Value>) named.set(key, each);
    } else positional.push(value);
  }
  return { positional, named };
}

function sizeOf({ value }: Value): number {
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

/** Characters of the keys of a mapping. */
function keyLength(value: object): number {
  if (!(value instanceof Map)) return 0;
  let length = 0;
  for (const key of (value as Map<string, Value>).keys()) length += key.length;
  return length;
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
  if (length > MAX_VALUES) throw tooLong('list');
  return Array.from({ length }, (_, i) => from + i * step);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function raise(message: unknown): never {
  throw new TemplateRaisedError(typeof message === 'string' ? message : 'no reason given');
}
