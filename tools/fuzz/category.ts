// What a kind of input is to the fuzzer: how a case is made, what reads it, and with which codes it may be refused.

import type { TernionErrorCode } from '../../src/errors';
import type { Draw } from './draw';

/** A kind of input. `Case` is what one case is made of. */
export interface CategoryParts<Case> {
  name: string;
  /** Its part of all cases, in relation to the other categories. */
  share: number;
  /** The codes with which a hostile input may be refused. `internal`, a fault of Ternion, is never among them. */
  codes: readonly TernionErrorCode[];
  /** Makes a case. It must depend on nothing but the draws. */
  generate(draw: Draw): Case | Promise<Case>;
  /**
   * Reads the case as the engine would; resolves to a text that says all of what was read. Whatever it throws that is no
   * `TernionError` of the category's codes is a finding.
   */
  run(input: Case): Promise<string>;
  /** What is kept of a case that was a finding, by file name. */
  save(input: Case): Record<string, Uint8Array | string>;
  /** The case is run once: what comes of it depends on time. Default: twice, and both have to give the same. */
  once?: boolean;
  /** A refusal that may come or not, because it depends on time. Default: none. */
  varies?: (message: string) => boolean;
}

/** A case that is ready to run, any number of times. */
export interface PreparedCase {
  run(): Promise<string>;
  files(): Record<string, Uint8Array | string>;
}

/** A kind of input, whatever its cases are made of. */
export interface Category extends Pick<CategoryParts<never>, 'name' | 'share' | 'codes' | 'once' | 'varies'> {
  prepare(draw: Draw): Promise<PreparedCase>;
}

/** Makes a category of its parts. */
export function category<Case>(parts: CategoryParts<Case>): Category {
  const { name, share, codes, once = false, varies = () => false } = parts;
  return {
    name,
    share,
    codes,
    once,
    varies,
    async prepare(draw) {
      const input = await parts.generate(draw);
      return { run: () => parts.run(input), files: () => parts.save(input) };
    },
  };
}
