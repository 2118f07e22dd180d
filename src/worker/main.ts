// The entry point of the Web Worker.

import { expose } from 'comlink';
import { WorkerEndpoint } from './endpoint';

expose(new WorkerEndpoint());
