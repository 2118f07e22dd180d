// `npm run paper`: how fast a token of BitNet 2B4T might be on GPUs that are not here, from what can be counted.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/paper-model.ts', argv.slice(2), { gpu: false }));
