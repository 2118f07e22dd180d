// `npm run fuzz -- --cases 10000`: hostile input for everything that reads what others have made.
import { argv, exit } from 'node:process';
import { runBundled } from './bundled.mjs';

exit(await runBundled('tools/fuzz.ts', argv.slice(2), { gpu: false }));
