// The worker of smoke.ts: computes once, posts the result, and is done.
import { runDot4I8Packed } from '../../support/dot4i8';
import { requestPlainDevice } from './device';

postMessage(await runDot4I8Packed(await requestPlainDevice()));
