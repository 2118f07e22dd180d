// The stand-in for `WebAssembly` that xgrammar gets: its memory grows only as far as it is allowed to.

/** The most pages that a memory of WebAssembly can be asked to have are of this size, bytes. */
const PAGE_BYTES = 65_536;

/** What xgrammar uses of `WebAssembly`. */
type UsedOfWebAssembly = Pick<typeof WebAssembly, 'instantiate' | 'RuntimeError'>;

/** Instantiates one module, and watches over its memory. */
export class BoundedMemory implements UsedOfWebAssembly {
  /** Most bytes that the memory may have. */
  limit = Infinity;
  /** Whether more was asked for than was allowed or could be had. */
  refused = false;
  readonly RuntimeError = WebAssembly.RuntimeError;
  #memory: WebAssembly.Memory | undefined;

  /** Bytes that the memory has now. */
  get bytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  /** As `WebAssembly.instantiate`, but for the memory among the exports. */
  readonly instantiate = (async (source: BufferSource, imports?: WebAssembly.Imports) => {
    const { module, instance } = await WebAssembly.instantiate(source, imports);
    const exports = Object.entries(instance.exports).map(([name, each]) => [
      name,
      each instanceof WebAssembly.Memory ? this.#bound(each) : each,
    ]);
    return { module, instance: { exports: Object.fromEntries(exports) as WebAssembly.Exports } };
  }) as typeof WebAssembly.instantiate;

  #bound(memory: WebAssembly.Memory): Pick<WebAssembly.Memory, 'buffer' | 'grow'> {
    this.#memory = memory;
    const grow = (pages: number): number => {
      if (memory.buffer.byteLength + pages * PAGE_BYTES <= this.limit) {
        try {
          const before = memory.grow(pages);
          this.refused = false;
          return before;
        } catch {
          // Said below.
        }
      }
      // A smaller growth may be tried next: what counts is the last one.
      this.refused = true;
      throw new RangeError('The memory for grammars is full.');
    };
    return {
      get buffer() {
        return memory.buffer;
      },
      grow,
    };
  }
}
