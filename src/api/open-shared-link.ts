// The way to the engine that all tabs of an origin share, for a model and the options that it is loaded with.

import type { CloneableOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import { engineKey } from '../tabs/engine-key';
import { tabEnvironment } from '../tabs/environment';
import version from '../worker/main?script-version';
import { sendableOptions } from './sendable';
import { SharedLink } from './shared-link';
import type { WorkerLink } from './worker-link';

/** Opens it; why there is none if there cannot be. `startWorker` is called when this tab is to have the engine. */
export async function openSharedLink(
  sent: ModelSource,
  options: CloneableOptions,
  startWorker: (signal: AbortSignal) => Promise<WorkerLink>,
): Promise<SharedLink | string> {
  if (typeof sent !== 'string') return 'Only a model at an address can be known again in another tab.';
  const tabs = await tabEnvironment();
  if (typeof tabs === 'string') return tabs;
  const lobby = await engineKey(sent, sendableOptions(options), version);
  return new SharedLink({ tabs, lobby, startWorker });
}
