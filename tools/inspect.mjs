// `npm run inspect -- MODEL "prompt" [--layer N]`: looks into the layers of a model, kernel by kernel.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/inspect.ts', argv.slice(2)));
