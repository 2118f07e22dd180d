// The entry point of the Web Worker.

import { expose } from 'comlink';
import { WorkerEndpoint } from './endpoint';
import { ScriptParts } from './script-parts';

// A server that looks at every module of a bundle imports this one too, and nothing happens.
if ('postMessage' in globalThis) {
  const parts = new ScriptParts();
  globalThis.ternionParts = parts;
  expose(new WorkerEndpoint({ parts }));
}
