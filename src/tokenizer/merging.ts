// Merges neighbouring symbols until nothing is left to merge: the heart of every kind of BPE.

/** How much two neighbours want to be merged: the highest goes first. Undefined if they cannot be. */
export type MergePriority = (left: string, right: string) => number | undefined;

/** Two neighbouring symbols that can be merged. `length` tells whether either has changed since. */
interface Candidate {
  readonly priority: number;
  readonly left: number;
  readonly right: number;
  readonly length: number;
}

/** Merges by priority, and from left to right among equals. Takes time in n log n, however long the text. */
export function mergeSymbols(symbols: string[], priorityOf: MergePriority): string[] {
  return symbols.length < 2 ? symbols : new Merging(symbols, priorityOf).run();
}

/** Symbols on their way to pieces: a linked list of them, and a heap of the merges that are possible. */
class Merging {
  readonly #symbols: string[];
  readonly #priorityOf: MergePriority;
  readonly #previous: Int32Array;
  readonly #next: Int32Array;
  readonly #heap: Candidate[] = [];

  constructor(symbols: readonly string[], priorityOf: MergePriority) {
    const count = symbols.length;
    this.#symbols = [...symbols];
    this.#priorityOf = priorityOf;
    this.#previous = new Int32Array(count);
    this.#next = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      this.#previous[i] = i - 1;
      this.#next[i] = i + 1 < count ? i + 1 : -1;
    }
  }

  run(): string[] {
    for (let right = 1; right < this.#symbols.length; right++) this.#consider(right - 1, right);
    for (let best = pop(this.#heap); best; best = pop(this.#heap)) this.#merge(best);
    return this.#symbols.filter((symbol) => symbol !== '');
  }

  #consider(left: number, right: number): void {
    if (left < 0 || right < 0) return;
    const [first, second] = [this.#symbols[left]!, this.#symbols[right]!];
    const priority = this.#priorityOf(first, second);
    if (priority === undefined) return;
    push(this.#heap, { priority, left, right, length: first.length + second.length });
  }

  #merge({ left, right, length }: Candidate): void {
    const [first, second] = [this.#symbols[left]!, this.#symbols[right]!];
    if (first === '' || second === '' || first.length + second.length !== length) return;
    this.#symbols[left] = first + second;
    this.#symbols[right] = '';
    const after = this.#next[right]!;
    this.#next[left] = after;
    if (after >= 0) this.#previous[after] = left;
    this.#consider(this.#previous[left]!, left);
    this.#consider(left, after);
  }
}

/** Higher priority first, then further left. */
function isBefore(a: Candidate, b: Candidate): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.left < b.left);
}

function push(heap: Candidate[], item: Candidate): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(item, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = item;
}

function pop(heap: Candidate[]): Candidate | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
