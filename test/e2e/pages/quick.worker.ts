// Ternion's worker, with kernels that compile soon.
import { expose } from 'comlink';
import { QuickEndpoint } from './quick-endpoint';

expose(new QuickEndpoint());
