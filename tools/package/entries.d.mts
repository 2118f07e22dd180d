// Types of entries.mjs, which is plain JavaScript so that Node runs it as it is.

/** A module of the package, or its program. */
export interface Entry {
  /** What its files in `dist` are called; `ternion/NAME` imports it, and `ternion` the one called `index`. */
  name: string;
  /** Its file, from the root of the repository. */
  source: string;
  /** Of the script of a worker, which exports nothing: what it is, for the doc comment of its types. */
  script?: string;
  /** A program of the command line, which is not imported. */
  isProgram?: boolean;
}

export const ENTRIES: readonly Entry[];

/** Packages that modules and types import from where they are installed. */
export const EXTERNAL: (string | RegExp)[];
