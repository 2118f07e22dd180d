// What went wrong, in words for a visitor.

import { TernionError } from '../src/index';

/** Headings for loads that failed, by code. */
export const LOAD_FAILURES: Partial<Record<TernionError['code'], string>> = {
  'unsupported-format': 'This is not a model file that can be read',
  'unsupported-architecture': 'This kind of model is not supported',
  'unsupported-tensor-type': 'The weights of this model are not supported',
  'unsupported-tokenizer': 'The tokenizer of this model is not supported',
  'unsupported-feature': 'This model needs something that is not supported',
  'corrupt-file': 'This file is damaged or incomplete',
  'out-of-memory': 'This model does not fit on this device',
  'download-failed': 'The model could not be fetched',
};

/** The code of a failure, if it has one, and its message. */
export function explain(error: unknown): { code?: TernionError['code']; message: string } {
  if (error instanceof TernionError) return { code: error.code, message: error.message };
  return { message: error instanceof Error ? error.message : String(error) };
}
