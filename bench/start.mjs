// `npm run bench`: the benchmark of models; `… -- kernel NAME`: of one kernel; `… -- guided SHAPE`: of restricted decoding;
// `… -- sampling SHAPE`: of sampling; `… -- first-token`: of a visit to a page; `… -- generate SHAPE`: the model generator; `… -- add FILE`: a report that somebody has sent.
import { argv, exit } from 'node:process';
import { runBundled } from '../tools/bundled.mjs';

const [first, ...rest] = argv.slice(2);
if (first === 'generate') exit(await runBundled('bench/generate-model.ts', rest, { gpu: false }));
if (first === 'add') exit(await runBundled('bench/add-report.ts', rest, { gpu: false }));
if (first === 'kernel') exit(await runBundled('bench/kernel.ts', rest));
if (first === 'guided') exit(await runBundled('bench/guided.ts', rest));
if (first === 'first-token') exit(await runBundled('bench/first-token.ts', rest, { gpu: false }));
if (first === 'sampling') exit(await runBundled('bench/sampling.ts', rest));
exit(await runBundled('bench/run.ts', argv.slice(2)));
