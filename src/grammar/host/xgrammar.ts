// xgrammar with a memory that is bounded and words that are kept, and what its failures mean.

import createXgrammar from '@mlc-ai/web-xgrammar?factory';
import { TernionError } from '../../errors';
import { GRAMMAR_BYTES, type GrammarFailure } from '../protocol';
import { BoundedMemory } from './bounded-memory';

type Classes = ReturnType<typeof createXgrammar>;
export type TokenizerInfo = Awaited<ReturnType<Classes['TokenizerInfo']['createTokenizerInfo']>>;
export type GrammarCompiler = Awaited<ReturnType<Classes['GrammarCompiler']['createGrammarCompiler']>>;
export type CompiledGrammar = Awaited<ReturnType<GrammarCompiler['compileGrammar']>>;
export type GrammarMatcher = Awaited<ReturnType<Classes['GrammarMatcher']['createGrammarMatcher']>>;

/** How xgrammar says what it cannot go on with: where in its own sources, and what. */
const FATAL = /^\[FATAL\] \S+ (.*)$/s;

/** The smallest module of WebAssembly: a magic number and a version. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** An xgrammar of one's own. */
export class Xgrammar {
  readonly #memory = new BoundedMemory();
  /** The last of what it has said it cannot go on with. */
  #fatal: string | undefined;
  readonly classes: Classes;

  constructor() {
    const hear = (...words: unknown[]): void => {
      this.#fatal ??= FATAL.exec(words.join(' '))?.[1];
    };
    this.classes = createXgrammar({
      WebAssembly: this.#memory,
      console: { log: hear, warn: hear, error: hear },
    });
  }

  /** From now on all that is compiled may take `GRAMMAR_BYTES` more than there is. */
  boundMemory(bytes = GRAMMAR_BYTES): void {
    this.#memory.limit = this.#memory.bytes + bytes;
  }

  /** What an error that it has thrown means. C++ exceptions are compiled to aborts: after one nothing can be relied on. */
  async failureOf(error: unknown): Promise<GrammarFailure> {
    if (error instanceof TernionError)
      return { code: error.code, message: error.message, outOfRoom: false, fatal: false };
    const fatal = true;
    if (this.#fatal !== undefined) {
      const message = `The grammar cannot be used: ${this.#fatal.trim()}.`;
      return { code: 'invalid-argument', message, outOfRoom: false, fatal };
    }
    if (this.#memory.refused) {
      const message = `The grammar takes more than ${GRAMMAR_BYTES / 2 ** 20} MiB.`;
      return { code: 'unsupported-feature', message, outOfRoom: true, fatal };
    }
    if (isStackOverflow(error)) {
      const message = 'The grammar cannot be used: its rules are nested too deep.';
      return { code: 'invalid-argument', message, outOfRoom: false, fatal };
    }
    if (!(await compilesWebAssembly())) {
      const message =
        'Answers of a given shape take WebAssembly, which is forbidden or missing here: the script-src of the ' +
        "Content-Security-Policy must allow 'wasm-unsafe-eval'.";
      return { code: 'unsupported-feature', message, outOfRoom: false, fatal };
    }
    return { code: 'internal', message: `The grammar failed: ${String(error)}`, outOfRoom: false, fatal };
  }
}

/** Browsers say it in different words, and by different classes. */
function isStackOverflow(error: unknown): boolean {
  return (
    error instanceof RangeError || (error instanceof Error && /recursion|call stack/.test(error.message))
  );
}

async function compilesWebAssembly(): Promise<boolean> {
  try {
    await WebAssembly.compile(EMPTY_MODULE);
    return true;
  } catch {
    return false;
  }
}
