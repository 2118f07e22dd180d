// The entry point of the Web Worker.

import { expose } from 'comlink';
import { WorkerEndpoint } from './endpoint';

// A server that looks at every module of a bundle imports this one too, and nothing happens.
if ('postMessage' in globalThis) expose(new WorkerEndpoint());
