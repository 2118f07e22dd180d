// Why a worker did not begin, in words for whoever writes the page's Content-Security-Policy.

import { TernionError } from '../errors';
import type { Violation } from '../storage/http/violations';

/** A kind of worker that this module starts: the option by which a page makes it itself, and the entry that has its script. */
export interface WorkerKind {
  option: string;
  entry: string;
}

/** The worker that has the engine. */
export const ENGINE_WORKER: WorkerKind = { option: 'createWorker', entry: 'ternion/worker' };

/** The worker that compiles grammars. */
export const GRAMMAR_WORKER: WorkerKind = { option: 'createGrammarWorker', entry: 'ternion/grammar' };

/** The directive by which pages forbid to start workers from strings. */
const REQUIRE_TYPES = 'require-trusted-types-for';

/** Whether a violation may be why a worker did not begin. */
export function concernsWorkers({ effectiveDirective, sample }: Violation): boolean {
  return (
    effectiveDirective === 'worker-src' ||
    (effectiveDirective === REQUIRE_TYPES && sample.startsWith('Worker'))
  );
}

/** The `worker-lost` error of a worker that never began, which names the directive that forbids it, if one does. */
export function notStarted(kind: WorkerKind, cause: unknown, violation: Violation | undefined): TernionError {
  return new TernionError('worker-lost', `The worker did not start${reason(kind, violation)}`, { cause });
}

/** The `worker-lost` error where the page requires Trusted Types, and the policy `name` cannot be made. */
export function policyForbidden(name: string, { option }: WorkerKind, cause: unknown): TernionError {
  const message =
    "The worker did not start: the page's Content-Security-Policy forbids the Trusted Types policy " +
    `'${name}'. trusted-types must name it, with 'allow-duplicates' if the page has several copies of Ternion; or ` +
    `${option} must make the worker.`;
  return new TernionError('worker-lost', message, { cause });
}

function reason(kind: WorkerKind, violation: Violation | undefined): string {
  if (!violation) {
    return (
      ', or its script is not that of Ternion. If the page has a Content-Security-Policy, worker-src must allow blob:, or ' +
      `${kind.option} must start the script ${kind.entry}.`
    );
  }
  return `: the page's Content-Security-Policy forbids it. ${remedy(kind, violation)}.`;
}

function remedy({ option, entry }: WorkerKind, { effectiveDirective, blockedURI }: Violation): string {
  if (effectiveDirective === REQUIRE_TYPES) {
    return `${REQUIRE_TYPES} lets ${option} start it only from a TrustedScriptURL`;
  }
  if (blockedURI !== 'blob') return `worker-src must allow ${blockedURI}`;
  return `worker-src must allow blob:, or ${option} must start the script ${entry}`;
}
