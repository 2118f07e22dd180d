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

/** The `worker-unavailable` error of a worker that did not begin: what was missing, or the directive that forbids it. */
export function notStarted(kind: WorkerKind, cause: unknown, violation: Violation | undefined): TernionError {
  const reason = violation ? forbidden(kind, violation) : `${sentence(cause)} ${remedy(kind)}`;
  return new TernionError('worker-unavailable', `The worker did not start: ${reason}`, { cause });
}

/** The `worker-unavailable` error where the page requires Trusted Types, and the policy `name` cannot be made. */
export function policyForbidden(name: string, { option }: WorkerKind, cause: unknown): TernionError {
  const message =
    "The worker did not start: the page's Content-Security-Policy forbids the Trusted Types policy " +
    `'${name}'. trusted-types must name it, with 'allow-duplicates' if the page has several copies of Ternion; or ` +
    `${option} must make the worker.`;
  return new TernionError('worker-unavailable', message, { cause });
}

/** What `cause` says was missing. */
function sentence(cause: unknown): string {
  if (!(cause instanceof Error)) return `${String(cause)}.`;
  // An answer that is not understood.
  if (cause instanceof TernionError && cause.code === 'internal')
    return 'What answered is not the script of Ternion.';
  const { message } = cause instanceof TernionError && cause.cause instanceof Error ? cause.cause : cause;
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

function remedy({ option, entry }: WorkerKind): string {
  return (
    'If the page has a Content-Security-Policy, worker-src must allow blob:, or ' +
    `${option} must start the script ${entry}, which the page serves.`
  );
}

function forbidden({ option, entry }: WorkerKind, { effectiveDirective, blockedURI }: Violation): string {
  const policy = "the page's Content-Security-Policy forbids it.";
  if (effectiveDirective === REQUIRE_TYPES) {
    return `${policy} ${REQUIRE_TYPES} lets ${option} start it only from a TrustedScriptURL.`;
  }
  if (blockedURI !== 'blob') return `${policy} worker-src must allow ${blockedURI}.`;
  return `${policy} worker-src must allow blob:, or ${option} must start the script ${entry}.`;
}
